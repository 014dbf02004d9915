// A network namespace of a run's own: addresses, ports, hash table and sysctls of nobody else.

import CLinux
import ConnectionEngine
import Glibc

/// Owns one network namespace by a descriptor, and by nothing else.
///
/// 1. It has no name under /run/netns. When the last descriptor, process and socket of it are gone,
///    the kernel removes it with all its interfaces, also after kill -9: there is nothing to clean.
/// 2. A thread that leaves `init` or ``inside(_:)`` is in the namespace it was in before.
/// 3. Nothing of the host is changed.
///
/// A namespace belongs to a thread, not to a process: `/proc/net` shows that of the process's first
/// thread, `/proc/thread-self/net` that of the calling one. `/proc/sys/net` shows the caller's.
public final class NetworkNamespace: Sendable {
    /// The kernel's largest `tcp_child_ehash_entries`.
    public static let establishedHashEntriesMax = 1 << 24

    /// Closed on exec, so that a child keeps the namespace only by living in it.
    let fd: CInt

    /// Makes a namespace with its loopback interface up.
    ///
    /// - Parameter establishedHashEntries: gives it a hash table of established connections of its
    ///   own with at least so many buckets (a power of two, at most 16Mi); `nil` shares the host's.
    /// - Throws: EPERM without CAP_SYS_ADMIN among others, with the remedy.
    public init(establishedHashEntries: Int? = nil) throws(SystemError) {
        let hashEntries = try establishedHashEntries.map(Self.roundedHashEntries)
        let home = try Self.openCurrent()
        defer { close(home) }
        try Self.unshare()
        defer { Self.enter(home, "the namespace it came from") }
        if let hashEntries {
            // A namespace takes the size of its table from the sysctl of the one it is made in.
            // Written in a namespace that is then left for good, it touches nobody.
            try Sysctl("net.ipv4.tcp_child_ehash_entries").write("\(hashEntries)")
            try Self.unshare()
            try Self.checkHashEntries(hashEntries)
        }
        try RouteSocket().raise("lo")
        fd = try Self.openCurrent()
    }

    deinit {
        close(fd)
    }

    /// Runs `body` on the calling thread within the namespace, and comes back whatever it does.
    ///
    /// Sockets opened and processes spawned in there belong to the namespace for good. Threads
    /// begun in there stay in it.
    ///
    /// - Precondition: one descriptor is free, and CAP_SYS_ADMIN has not been given up: a thread
    ///   lost in the wrong namespace would measure something else and not tell.
    public func inside<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let home: CInt
        do throws(SystemError) {
            home = try Self.openCurrent()
        } catch {
            fatalError("\(error)")
        }
        defer { close(home) }
        Self.enter(fd, "a namespace of its own")
        defer { Self.enter(home, "the namespace it came from") }
        return try body()
    }

    /// Sets a sysctl of this namespace, for example `net.ipv4.ip_local_port_range`.
    ///
    /// - Throws: EINVAL for a name outside of `net`, which would change the host; ENOENT for one
    ///   that the kernel keeps only once for the whole machine.
    public func setSysctl(_ name: String, _ value: String) throws(SystemError) {
        let sysctl = try Sysctl(name)
        try inside { () throws(SystemError) in try sysctl.write(value) }
    }

    /// The value of a sysctl of this namespace, without white space at its ends.
    public func sysctl(_ name: String) throws(SystemError) -> String {
        let sysctl = try Sysctl(name)
        return try inside { () throws(SystemError) in try sysctl.read() }
    }
}

// MARK: - The calling thread

extension NetworkNamespace {
    private static func openCurrent() throws(SystemError) -> CInt {
        let fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else {
            throw SystemError(Errno(errno), call: "open /proc/thread-self/ns/net")
        }
        return fd
    }

    private static func enter(_ fd: CInt, _ place: String) {
        let result = CLinux_enter_network(fd)
        precondition(result == 0, "setns: a thread cannot enter \(place): \(Errno(-result))")
    }

    private static func unshare() throws(SystemError) {
        let result = CLinux_unshare_network()
        guard result < 0 else { return }
        let remedy =
            switch -result {
            case EPERM:
                "a network namespace needs CAP_SYS_ADMIN: run as root, or as"
                    + " `unshare -rn uring-bench …`"
            case ENOSPC: "the limit is reached: sysctl -w user.max_net_namespaces=1000"
            case EINVAL: "this kernel has no network namespaces (CONFIG_NET_NS)"
            default: ""
            }
        throw SystemError(Errno(-result), call: "unshare(CLONE_NEWNET)", remedy: remedy)
    }

    private static func roundedHashEntries(_ entries: Int) throws(SystemError) -> Int {
        guard (1...establishedHashEntriesMax).contains(entries) else {
            throw SystemError(
                Errno(EINVAL), call: "\(Count.format(entries)) buckets for established connections",
                remedy: "allowed is 1 to \(Count.format(establishedHashEntriesMax))")
        }
        return entries == 1 ? 1 : 1 << (Int.bitWidth - (entries - 1).leadingZeroBitCount)
    }

    /// Without memory for a table of its own a namespace silently shares that of the host; the
    /// kernel shows this by a negative number.
    private static func checkHashEntries(_ wanted: Int) throws(SystemError) {
        let text = try Sysctl("net.ipv4.tcp_ehash_entries").read()
        guard let entries = Int(text), entries >= wanted else {
            throw SystemError(
                Errno(ENOMEM), call: "a hash table of \(Count.format(wanted)) buckets",
                remedy: "tcp_ehash_entries says \(text) (negative: shared with the host); ask for"
                    + " fewer buckets")
        }
    }
}
