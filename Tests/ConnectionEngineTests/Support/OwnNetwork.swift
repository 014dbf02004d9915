// A network of its own for a test in a process of its own: sysctls of a network namespace, ports and
// sockets which nobody else has. Needs root.

import Glibc
import Testing

extension Trait where Self == ConditionTrait {
    static var needsRoot: Self { .enabled(if: geteuid() == 0, "a network of its own needs root") }
}

enum OwnNetwork {
    /// The calling thread and those that it starts from here on are alone, with a loopback.
    static func enter() {
        let newNetwork: CInt = 0x4000_0000
        typealias Unshare = @convention(c) (CInt) -> CInt
        let unshare = unsafeBitCast(dlsym(nil, "unshare"), to: Unshare.self)
        require(unshare(newNetwork) == 0, "unshare: errno \(errno)")
        run(["ip", "link", "set", "lo", "up"])
    }

    /// Sets a sysctl of the calling thread's network.
    static func set(_ name: String, _ value: String) {
        let path = "/proc/sys/" + String(name.map { $0 == "." ? "/" : $0 })
        let fd = open(path, O_WRONLY | O_CLOEXEC)
        require(fd >= 0, "\(path): errno \(errno)")
        require(write(fd, value, value.utf8.count) == value.utf8.count, "\(path): errno \(errno)")
        close(fd)
    }

    /// A counter of /proc/net/netstat, such as `ListenOverflows`.
    static func count(of name: String) -> Int {
        let lines = contents(of: "/proc/thread-self/net/netstat").split(separator: "\n")
        for (names, values) in zip(lines, lines.dropFirst()) {
            let names = names.split(separator: " ")
            guard let position = names.firstIndex(of: name[...]) else { continue }
            return Int(values.split(separator: " ")[position])!
        }
        require(false, "no counter \(name)")
        return 0
    }

    /// Runs a program to its end, in the calling thread's network.
    static func run(_ command: [String]) {
        var status: CInt = 0
        let pid = start(command)
        require(waitpid(pid, &status, 0) == pid && status == 0, "\(command): status \(status)")
    }

    /// - Returns: the program's process, to be waited for.
    static func start(_ command: [String]) -> pid_t {
        var arguments = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        var pid = pid_t()
        let code = posix_spawnp(&pid, command[0], &actions, nil, &arguments, environ)
        require(code == 0, "\(command[0]): errno \(code)")
        return pid
    }
}
