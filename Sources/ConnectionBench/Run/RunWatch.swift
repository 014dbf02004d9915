// What can end a run early: signals, memory, and children. Looked at in every wait.

import CLinux
import ConnectionEngine
import Glibc

/// Thrown within a run when it has to end before its last step.
struct RunStop: Error {
    let reason: StopReason

    init(_ kind: StopReason.Kind, _ message: String, exitCode: Int32) {
        reason = StopReason(kind: kind, message: message, exitCode: exitCode)
    }
}

/// Takes the signals that ask for an end from a descriptor, so that they interrupt nothing.
final class SignalWatch {
    let fd: CInt
    private(set) var received: [CInt] = []

    /// Blocks the signals in this thread and those it starts; call it before any is started.
    init() throws(SystemError) {
        var mask = sigset_t()
        sigemptyset(&mask)
        sigaddset(&mask, SIGINT)
        sigaddset(&mask, SIGTERM)
        // nohup(1) ignores it, and means it.
        var hangup = sigaction()
        sigaction(SIGHUP, nil, &hangup)
        if hangup.__sigaction_handler.sa_handler == nil { sigaddset(&mask, SIGHUP) }
        pthread_sigmask(SIG_BLOCK, &mask, nil)
        signal(SIGPIPE, SIG_IGN)
        fd = CLinux_signalfd(&mask)
        guard fd >= 0 else { throw SystemError(Errno(-fd), call: "signalfd") }
    }

    deinit {
        close(fd)
    }

    /// Reads what has come in; never blocks.
    func take() {
        var info = signalfd_siginfo()
        while read(fd, &info, MemoryLayout<signalfd_siginfo>.size) > 0 {
            received.append(CInt(info.ssi_signo))
        }
    }
}

/// The governor ended a phase: the host needs what the run would take next.
struct GovernorStop: Error {
    let judgement: Governor.Judgement
}

/// Watches over one run.
final class RunWatch {
    private let signals: SignalWatch
    private var signalsHandled = 0
    let sampler: HostSampler
    /// Connections are being added: the climb ends at the floor.
    var isClimbing = false
    /// Set while connections are given up, and in the teardown: the governor has been heard.
    var isShedding = false
    /// Set in the teardown: only a second signal ends that early.
    var isEnding = false

    init(_ sampler: HostSampler) throws(SystemError) {
        self.sampler = sampler
        signals = try SignalWatch()
    }

    /// Sleeps at most `milliseconds`, less when a signal comes.
    func sleep(milliseconds: CInt) {
        var waiting = pollfd(fd: signals.fd, events: Int16(POLLIN), revents: 0)
        poll(&waiting, 1, milliseconds)
        // Left unread, it would end every further sleep at once.
        signals.take()
    }

    /// - Throws: ``RunStop`` when the run must end, ``GovernorStop`` when it must not go on so.
    func check(_ children: [ChildProcess]) throws {
        signals.take()
        if signals.received.count > signalsHandled {
            signalsHandled = signals.received.count
            let signal = signals.received[signalsHandled - 1]
            if !isEnding || signalsHandled > 1 { throw RunWatch.interrupted(by: signal) }
        }
        if isEnding { return }
        // Before the children: it may be why they ended.
        try checkGovernor()
        for child in children {
            do {
                try child.checkAlive()
            } catch {
                try checkGovernor()
                throw RunStop(.childDied, "\(error)", exitCode: 1)
            }
        }
    }

    /// A signal has come that nobody has heard of yet.
    var isInterrupted: Bool {
        signals.take()
        return signals.received.count > signalsHandled
    }

    var wasInterruptedTwice: Bool {
        signals.take()
        return signals.received.count > 1
    }

    private func checkGovernor() throws {
        // By now the memory may be back, and the latest judgement green.
        if let judgement = sampler.killedBy { throw GovernorStop(judgement: judgement) }
        let judgement = sampler.judgement
        if isShedding { return }
        if judgement.level >= .red || isClimbing && judgement.isAtFloor {
            throw GovernorStop(judgement: judgement)
        }
    }

    static func interrupted(by signal: CInt) -> RunStop {
        let names = [SIGINT: "SIGINT (Ctrl-C)", SIGTERM: "SIGTERM", SIGHUP: "SIGHUP"]
        let name = names[signal] ?? "signal \(signal)"
        return RunStop(.interrupted, "interrupted by \(name)", exitCode: 128 + signal)
    }
}
