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

    public var description: String { "\(child) (pid \(pid)): \(reason)" }
}

final class ChildProcess {
    /// `server 0`, `client 3`.
    let name: String
    let pid: pid_t
    let rows: Range<Int>
    private let channel: ControlChannel
    private var endReason: String?

    /// Starts this program again as a child. It waits for its set-up.
    init(name: String, rows: Range<Int>, scoreboard: Scoreboard) throws {
        guard let (ours, theirs) = ControlChannel.pair() else {
            throw SystemError(Errno(errno), call: "socketpair")
        }
        self.name = name
        self.rows = rows
        self.channel = ours
        pid = try ChildProcess.spawn(control: theirs.fd, scoreboard: scoreboard.fd)
    }

    private static func spawn(control: CInt, scoreboard: CInt) throws(SystemError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // Above the two targets first, so that neither overwrites the other's source.
        posix_spawn_file_actions_adddup2(&actions, control, 100)
        posix_spawn_file_actions_adddup2(&actions, scoreboard, 101)
        posix_spawn_file_actions_adddup2(&actions, 100, ChildMain.controlFD)
        posix_spawn_file_actions_adddup2(&actions, 101, ChildMain.scoreboardFD)
        posix_spawn_file_actions_addclose(&actions, 100)
        posix_spawn_file_actions_addclose(&actions, 101)
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
            &pid, "/proc/self/exe", &actions, &attributes, &arguments, environ)
        guard code == 0 else { throw SystemError(Errno(code), call: "posix_spawn") }
        return pid
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
        if case .failed(let reason) = message {
            throw ChildError(child: name, pid: pid, reason: reason)
        }
        return message
    }

    /// The child says nothing more: how did it end?
    private func ended(_ error: ControlError) -> ChildError {
        for _ in 0..<100 {
            if let reason = reap() { return ChildError(child: name, pid: pid, reason: reason) }
            usleep(10_000)
        }
        return ChildError(child: name, pid: pid, reason: "\(error)")
    }

    /// Throws when the child has ended.
    func checkAlive() throws(ChildError) {
        if let reason = reap() { throw ChildError(child: name, pid: pid, reason: reason) }
    }

    /// How the child ended; `nil` while it lives.
    private func reap() -> String? {
        if let endReason { return endReason }
        var status: CInt = 0
        guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
        let signal = status & 0x7f
        endReason =
            signal == 0 ? "exited with \((status >> 8) & 0xff)" : "killed by signal \(signal)"
        return endReason
    }

    /// Asks it to end.
    func finish() {
        // A child that has ended already needs no asking.
        try? channel.send(ParentMessage.finish)
    }

    /// Waits for its end; kills it when it takes longer than `seconds`.
    ///
    /// - Returns: whether it had to be killed.
    @discardableResult
    func waitForEnd(seconds: Double) -> Bool {
        let deadline = MonotonicTime.now.advanced(byNanoseconds: UInt64(seconds * 1e9))
        var wasKilled = false
        while reap() == nil {
            if MonotonicTime.now > deadline, !wasKilled {
                kill(pid, SIGKILL)
                wasKilled = true
            }
            usleep(5_000)
        }
        return wasKilled
    }
}
