// Starting other programs from a test.

import Glibc
import Testing

enum Subprocess {
    /// Starts a program, found along PATH, with its standard streams in files.
    static func spawn(
        _ command: [String], output: String = "/dev/null", errors: String = "/dev/null",
        adding variable: String = "CI=1"
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY, 0)
        var arguments = command.map { strdup($0) } + [nil]
        var environment: [UnsafeMutablePointer<CChar>?] = [strdup(variable)]
        var entry = environ
        while let text = entry.pointee {
            environment.append(strdup(text))
            entry += 1
        }
        environment.append(nil)
        defer { for text in arguments + environment { free(text) } }
        var pid = pid_t()
        let code = posix_spawnp(&pid, command[0], &actions, nil, &arguments, &environment)
        try #require(code == 0, "\(command[0]): \(String(cString: strerror(code)))")
        return pid
    }

    /// Runs a program to its end.
    static func run(_ command: [String]) throws -> Int32 {
        let pid = try spawn(command)
        var status: CInt = 0
        try #require(waitpid(pid, &status, 0) == pid)
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    }
}
