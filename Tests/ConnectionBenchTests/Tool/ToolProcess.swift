// The real tool as a subprocess, in a network of its own where that is allowed.

import ConnectionEngine
import FoundationEssentials
import Glibc
import Testing

@testable import ConnectionBench

/// All tests that run the tool; one at a time, since they share memory and processors.
@Suite(.serialized) struct ToolTests {}

final class ToolProcess {
    /// Of the tool itself, or of strace(1) around it.
    let pid: pid_t
    private let folder: FixtureDirectory
    private let marker: String
    private var waitStatus: CInt?

    /// The built executable beside the running test bundle.
    static let path: String = {
        var buffer = [CChar](repeating: 0, count: 4_096)
        let count = max(0, readlink("/proc/self/exe", &buffer, buffer.count - 1))
        let bytes = buffer[..<count].map { UInt8(bitPattern: $0) }
        let own = String(decoding: bytes, as: UTF8.self)
        return own.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/uring-bench"
    }()

    /// The kernel counts the sockets of a network namespace: in one of its own a run is not
    /// disturbed by other programs. Empty where that takes a privilege which we do not have.
    private static let isolation: [String] = {
        let command = [
            "unshare", "-n", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\"",
        ]
        return (try? Subprocess.run(command + ["true"])) == 0 ? command : []
    }()

    /// - Parameters:
    ///   - wrapper: a command that takes the tool's command line as its last arguments.
    ///   - isolated: false for a test that shares a port with the tool.
    init(
        _ arguments: [String], wrapper: [String] = [], isolated: Bool = true,
        path: String = ToolProcess.path
    ) throws {
        folder = try FixtureDirectory(["/out": "", "/err": ""])
        marker = "URING_BENCH_TEST=\(folder.path)"
        let command = (isolated ? Self.isolation : []) + wrapper + [path] + arguments
        pid = try Subprocess.spawn(
            command, output: folder.path + "/out", errors: folder.path + "/err", adding: marker)
    }

    deinit {
        // A failed test leaves nothing running.
        for pid in survivors { kill(pid, SIGKILL) }
        if waitStatus == nil { waitpid(pid, nil, 0) }
    }

    var output: String { (try? TextFile.read(folder.path + "/out")) ?? "" }
    var errors: String { (try? TextFile.read(folder.path + "/err")) ?? "" }

    /// The result that `--json -` has written to standard output.
    func result() throws -> RunResult {
        try JSONDecoder().decode(RunResult.self, from: Data(output.utf8))
    }

    /// Waits for its end; the generous deadline only fails a test that hangs.
    ///
    /// - Returns: the exit code; 128 and the signal's number when it was killed.
    @discardableResult
    func end(seconds: Double = 60) throws -> Int32 {
        try wait("the end of the tool", seconds: seconds) {
            var status: CInt = 0
            guard waitpid(pid, &status, WNOHANG) == pid else { return false }
            waitStatus = status
            return true
        }
        let status = waitStatus ?? 0
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    }

    /// Waits until `condition` holds.
    func wait(_ what: String, seconds: Double = 60, _ condition: () -> Bool) throws {
        let deadline = MonotonicTime.now.advanced(byNanoseconds: UInt64(seconds * 1e9))
        while !condition() {
            guard MonotonicTime.now < deadline else {
                throw Hanging(what: what, errors: errors)
            }
            usleep(5_000)
        }
    }

    /// Waits until standard error has this text.
    func says(_ text: String) throws {
        try wait("'\(text)'") { waitHasEnded || errors.contains(text) }
        try #require(errors.contains(text), "\(errors)")
    }

    var waitHasEnded: Bool {
        var info = siginfo_t()
        return waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0
            && info.si_signo != 0
    }

    /// Its child processes in the order of their start: servers, then clients.
    var children: [pid_t] {
        let text = (try? TextFile.read("/proc/\(pid)/task/\(pid)/children")) ?? ""
        return text.split(separator: " ").compactMap { pid_t($0.filter { $0.isNumber }) }
    }

    /// Every process that this one has started, and itself, as far as they run.
    var survivors: [pid_t] {
        let names = (try? TextFile.names(in: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { pid in
            guard let environment = try? TextFile.read("/proc/\(pid)/environ") else { return false }
            return environment.split(separator: "\0").contains { $0 == marker }
        }
    }

    struct Hanging: Error, CustomStringConvertible {
        let what: String
        let errors: String

        var description: String { "waited too long for \(what); it said: \(errors)" }
    }
}

/// Where a test's result file goes.
final class ResultPath {
    private let folder: FixtureDirectory
    let path: String

    init() throws {
        folder = try FixtureDirectory()
        path = folder.path + "/result.json"
    }

    deinit {
        unlink(path)
    }

    func read() throws -> RunResult { try read(RunResult.self) }

    func read<Result: Decodable>(_ type: Result.Type) throws -> Result {
        try JSONDecoder().decode(type, from: Data(TextFile.read(path).utf8))
    }

    var exists: Bool { access(path, F_OK) == 0 }
}
