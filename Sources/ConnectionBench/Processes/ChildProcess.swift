// A server or client process of a run, as its parent sees it.

import CLinux
import ConnectionEngine
import Glibc

/// The only argument by which this program knows that it is a child of a run.
public let childArgument = "child-of-run"

/// Why a child is of no more use; names it.
public struct ChildError: Error, Hashable, Sendable, CustomStringConvertible {
    public let child: String
    public let pid: Int32
    public let reason: String
    /// It was ended by a signal, and did not say itself what was wrong.
    public var wasKilled = false

    public var description: String { "\(child) (pid \(pid)): \(reason)" }
}

final class ChildProcess {
    /// `server 0`, `client 3`.
    let name: String
    let pid: pid_t
    let rows: Range<Int>
    private let channel: ControlChannel
    private var endReason: String?
    private var wasKilled = false

    /// Starts this program again as a child. It waits for its set-up.
    ///
    /// - Parameter executable: another program with ``ChildMain``, for a test.
    init(
        name: String, rows: Range<Int>, scoreboard: Scoreboard,
        executable: String = "/proc/self/exe"
    ) throws {
        guard let (ours, theirs) = ControlChannel.pair() else {
            throw SystemError(Errno(errno), call: "socketpair")
        }
        self.name = name
        self.rows = rows
        self.channel = ours
        pid = try ChildProcess.spawn(
            executable, control: theirs.fd, scoreboard: scoreboard.fd)
    }

    private static func spawn(
        _ executable: String, control: CInt, scoreboard: CInt
    ) throws(SystemError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // From above the two targets, so that neither overwrites the other's source.
        let control = try duplicate(control)
        defer { close(control) }
        let scoreboard = try duplicate(scoreboard)
        defer { close(scoreboard) }
        posix_spawn_file_actions_adddup2(&actions, control, ChildMain.controlFD)
        posix_spawn_file_actions_adddup2(&actions, scoreboard, ChildMain.scoreboardFD)
        // The parent takes its signals from a descriptor; the child begins with none blocked.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var mask = sigset_t()
        sigemptyset(&mask)
        posix_spawnattr_setsigmask(&attributes, &mask)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

        var arguments: [UnsafeMutablePointer<CChar>?] = [
            strdup("uring-bench"), strdup(childArgument), nil,
        ]
        defer { for argument in arguments { free(argument) } }
        var pid = pid_t()
        let code = posix_spawn(
            &pid, executable, &actions, &attributes, &arguments, environ)
        guard code == 0 else { throw SystemError(Errno(code), call: "posix_spawn") }
        return pid
    }

    /// A copy above the targets that is closed on exec.
    private static func duplicate(_ fd: CInt) throws(SystemError) -> CInt {
        let copy = fcntl(fd, F_DUPFD_CLOEXEC, ChildMain.scoreboardFD + 1)
        if copy < 0 { throw SystemError(Errno(errno), call: "fcntl(F_DUPFD_CLOEXEC)") }
        return copy
    }

    func send(_ message: ParentMessage) throws(ChildError) {
        do throws(ControlError) {
            try channel.send(message)
        } catch {
            throw ended(error)
        }
    }

    /// The next message if it comes in time; `nil` if none came.
    func receive(milliseconds: CInt) throws(ChildError) -> ChildMessage? {
        let message: ChildMessage?
        do throws(ControlError) {
            message = try channel.receive(ChildMessage.self, milliseconds: milliseconds)
        } catch {
            throw ended(error)
        }
        if case .failed(let reason) = message { throw self.error(reason) }
        return message
    }

    /// The child says nothing more: how did it end?
    private func ended(_ error: ControlError) -> ChildError {
        for _ in 0..<100 {
            if let reason = reap() { return self.error(reason) }
            usleep(10_000)
        }
        return self.error("\(error)")
    }

    private func error(_ reason: String) -> ChildError {
        ChildError(child: name, pid: pid, reason: reason, wasKilled: wasKilled)
    }

    /// Whether it has ended, in whatever way.
    var hasEnded: Bool { reap() != nil }

    /// Throws when the child has ended.
    func checkAlive() throws(ChildError) {
        guard let reason = reap() else { return }
        throw error(lastWords() ?? reason)
    }

    /// How the child ended; `nil` while it lives.
    private func reap() -> String? {
        if let endReason { return endReason }
        var status: CInt = 0
        let result = waitpid(pid, &status, WNOHANG)
        let signal = status & 0x7f
        if result == pid {
            wasKilled = signal != 0
            endReason =
                wasKilled ? "killed by signal \(signal)" : "exited with \((status >> 8) & 0xff)"
        } else if result < 0 && errno == ECHILD {
            // Where SIGCHLD is ignored the kernel reaps by itself and tells nobody.
            endReason = "ended"
        }
        return endReason
    }

    /// What a child that failed has said before its end.
    private func lastWords() -> String? {
        do {
            while let message = try channel.receive(ChildMessage.self, milliseconds: 0) {
                if case .failed(let reason) = message { return reason }
            }
        } catch {
            // The end of the channel: it said nothing of the kind.
        }
        return nil
    }

    /// It was stopped by a signal, and does nothing until another one lets it go on.
    var isStopped: Bool {
        guard !hasEnded, let text = try? TextFile.read("/proc/\(pid)/stat") else { return false }
        return Self.isStopped(stat: text)
    }

    /// The state is the first column after the name, which may hold parentheses itself.
    static func isStopped(stat text: String) -> Bool {
        guard let end = text.lastIndex(of: ")") else { return false }
        return text[text.index(after: end)...].split(separator: " ").first == "T"
    }

    /// Open descriptors; direct ones are not among them. The size of the directory (Linux 6.2): to
    /// list it would cost the kernel an inode and a name for each, gigabytes in a large run.
    var descriptorCount: Int? {
        var status = stat()
        guard stat("/proc/\(pid)/fd", &status) == 0, status.st_size > 0 else { return nil }
        return Int(status.st_size)
    }

    /// Behind everybody else on this machine, for a run that goes to the machine's end. Its threads
    /// are begun later and inherit it.
    func yieldToOthers() {
        // A lower priority needs no privilege; without it the run is only less polite.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(pid), 10)
    }

    /// Memory mappings.
    var mapCount: Int? {
        (try? TextFile.read("/proc/\(pid)/maps")).map { $0.utf8.count { $0 == UInt8(ascii: "\n") } }
    }

    /// Asks it to end.
    func finish() {
        // A child that has ended already needs no asking.
        try? channel.send(ParentMessage.finish)
    }

    /// Waits for its end; kills it when that has not come at `deadline`, or `isImpatient`.
    ///
    /// - Returns: whether it had to be killed.
    func waitForEnd(until deadline: MonotonicTime, isImpatient: () -> Bool) -> Bool {
        var hadToBeKilled = false
        while !hasEnded {
            if !hadToBeKilled, MonotonicTime.now > deadline || isImpatient() {
                kill(pid, SIGKILL)
                hadToBeKilled = true
            }
            usleep(5_000)
        }
        return hadToBeKilled
    }
}
