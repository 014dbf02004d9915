// An executable of this tool as a candidate: each run is a process of its own.

import ConnectionEngine
import FoundationEssentials
import Glibc

/// Why a run of another executable has left no result.
struct ToolRunError: Error, CustomStringConvertible {
    let description: String
}

public enum ToolCandidate {
    /// - Parameters:
    ///   - path: of the executable; without a slash it is looked for along PATH by nobody.
    ///   - options: of its `run` command, without those of ``RunOptions/output``.
    public static func make(name: String, path: String, options: [String]) -> TurnCandidate {
        TurnCandidate(name: name) { _, signals in
            try run(path, options, signals)
        }
    }

    /// Runs it once, with its result in a file that nobody else sees.
    private static func run(
        _ path: String, _ options: [String], _ signals: SignalWatch
    ) throws -> RunResult {
        let folder = try TemporaryFolder()
        let (json, errors) = ("\(folder.path)/result.json", "\(folder.path)/errors")
        defer { unlink(json) }
        defer { unlink(errors) }
        let command = [path, "run"] + options + ["--json", json, "--quiet"]
        let pid = try spawn(command, errors: errors)
        let code = wait(for: pid, signals)
        do {
            return try ResultDecoder.run(json)
        } catch {
            let said = ((try? TextFile.read(errors)) ?? "").split(separator: "\n").last
            throw ToolRunError(
                description: "\(path) ended with \(code) and left no result"
                    + (said.map { ": \($0)" } ?? ""))
        }
    }

    /// In a process group of its own: Ctrl-C reaches it once, through us.
    private static func spawn(_ command: [String], errors: String) throws(SystemError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(
            &actions, STDERR_FILENO, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var mask = sigset_t()
        sigemptyset(&mask)
        posix_spawnattr_setsigmask(&attributes, &mask)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
        var arguments = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid = pid_t()
        let code = posix_spawn(&pid, command[0], &actions, &attributes, &arguments, environ)
        guard code == 0 else { throw SystemError(Errno(code), call: "posix_spawn(\(command[0]))") }
        return pid
    }

    /// Passes signals on to it, and waits on: it writes its partial result.
    private static func wait(for pid: pid_t, _ signals: SignalWatch) -> String {
        var passedOn = signals.received.count
        var status: CInt = 0
        while waitpid(pid, &status, WNOHANG) == 0 {
            var waiting = pollfd(fd: signals.fd, events: Int16(POLLIN), revents: 0)
            poll(&waiting, 1, 20)
            signals.take()
            for signal in signals.received[passedOn...] { kill(pid, signal) }
            passedOn = signals.received.count
        }
        let signal = status & 0x7f
        return signal == 0 ? "code \((status >> 8) & 0xff)" : "signal \(signal)"
    }
}

/// A directory below the one for temporary files, removed when it is empty.
private final class TemporaryFolder {
    let path: String

    init() throws(SystemError) {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/uring-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw SystemError(Errno(errno), call: "mkdtemp(\(parent))")
        }
        path = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        rmdir(path)
    }
}

/// The command line of a run, and what of it makes the same run again.
public enum RunOptions {
    /// Options with a value that say where results go, or what is made of several runs.
    static let replaced: Set<String> = [
        "--json", "-o", "--output", "--stream", "--metrics", "--fail-if", "--repeats",
        "--warmup-runs", "--noise", "--backend", "-b", "--seed", "--port",
    ]
    /// The same without a value.
    static let replacedFlags: Set<String> = ["--quiet", "-q"]

    /// The options of a run, without its output, its backend, and what must differ between runs.
    static func again(_ commandLine: [String]) -> [String] {
        var rest = commandLine.dropFirst()
        if rest.first == "run" { rest = rest.dropFirst() }
        var kept: [String] = []
        while let word = rest.popFirst() {
            if replacedFlags.contains(word) { continue }
            if replaced.contains(word) {
                rest = rest.dropFirst()
                continue
            }
            let name = word.split(separator: "=", maxSplits: 1).first.map(String.init) ?? word
            if word.contains("="), replaced.contains(name) { continue }
            kept.append(word)
        }
        return kept
    }

    /// The first option that `compare --run` sets itself; `nil`: none is there.
    public static func clash(in options: [String]) -> String? {
        let own = replaced.union(replacedFlags).subtracting(["--backend", "-b", "--seed", "--port"])
        return options.first { word in
            own.contains(word.split(separator: "=", maxSplits: 1).first.map(String.init) ?? word)
        }
    }
}
