// The kernel's own list of TCP sockets, through NETLINK_SOCK_DIAG, in any network namespace.

import CLinux
import ConnectionEngine
import Glibc

/// An open channel to the list of one network namespace. Needs no privilege.
///
/// Not for use from two threads at a time.
struct SocketDiagnosis: ~Copyable {
    /// The kernel fills at most 32 KiB at a time.
    private static let bufferBytes = 65_536

    private let fd: CInt

    /// The list of the calling thread's network namespace.
    init() throws(SystemError) {
        fd = CLinux_diagnosis_socket()
        guard fd >= 0 else { throw SystemError(Errno(-fd), call: "socket(NETLINK_SOCK_DIAG)") }
    }

    /// The list of a process's network namespace.
    ///
    /// A socket belongs for good to the namespace of the thread that makes it. So a thread enters
    /// the namespace, makes the socket and ends; nothing else of this process ever moves.
    ///
    /// - Throws: EPERM without CAP_SYS_ADMIN, EACCES for a process that may not be looked into.
    init(networkOf pid: Int32) throws(SystemError) {
        let result = Self.openFromWithin(pid)
        guard result.code >= 0 else {
            throw SystemError(Errno(-result.code), call: result.call)
        }
        fd = result.code
    }

    deinit { close(fd) }

    /// Hands out each socket in one of `states`; nothing is kept. About 1 µs for each of them,
    /// where /proc/net/tcp takes 2.5.
    ///
    /// The list is no snapshot: what changes meanwhile may be missing.
    ///
    /// - Parameter localPort: only sockets of this port, chosen by the kernel; `nil` for all.
    func forEach(
        in states: Set<TCPState> = TCPState.all, localPort: UInt16? = nil,
        _ body: (TCPSocket) -> Void
    ) throws(SystemError) {
        let mask = states.reduce(UInt32(0)) { $0 | 1 << UInt32($1.rawValue) }
        for family in [AF_INET, AF_INET6] {
            let sent = CLinux_request_tcp_sockets(
                fd, UInt8(family), mask, (localPort ?? 0).bigEndian)
            guard sent >= 0 else {
                throw SystemError(Errno(CInt(-sent)), call: "sendto(NETLINK_SOCK_DIAG)")
            }
            let code = receive(body)
            // A kernel without IPv6 has no list of it.
            if code == 0 || family == AF_INET6 && code == ENOENT { continue }
            throw SystemError(
                Errno(code), call: "NETLINK_SOCK_DIAG",
                remedy: code == ENOENT ? "the kernel lacks CONFIG_INET_TCP_DIAG" : "")
        }
    }

    /// - Returns: 0 at the end of the list, or an errno.
    private func receive(_ body: (TCPSocket) -> Void) -> CInt {
        withUnsafeTemporaryAllocation(byteCount: Self.bufferBytes, alignment: 8) { buffer in
            while true {
                let count = CLinux_recv(fd, buffer.baseAddress, buffer.count, 0)
                if count == -Int(EINTR) { continue }
                guard count > 0 else { return count < 0 ? CInt(-count) : EPROTO }
                let messages = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                if let end = Self.read(messages, body) { return end }
            }
        }
    }

    /// - Returns: how the list ended; `nil` when there is more.
    static func read(
        _ messages: UnsafeRawBufferPointer, _ body: (TCPSocket) -> Void
    ) -> CInt? {
        let headerBytes = MemoryLayout<nlmsghdr>.size
        var offset = 0
        while offset + headerBytes <= messages.count {
            let header = messages.loadUnaligned(fromByteOffset: offset, as: nlmsghdr.self)
            let byteCount = Int(header.nlmsg_len)
            guard byteCount >= headerBytes, offset + byteCount <= messages.count else {
                return EPROTO
            }
            let content = offset + headerBytes
            switch Int32(header.nlmsg_type) {
            case NLMSG_DONE: return 0
            case NLMSG_ERROR:
                guard byteCount >= headerBytes + 4 else { return EPROTO }
                return 0 &- messages.loadUnaligned(fromByteOffset: content, as: CInt.self)
            case Int32(SOCK_DIAG_BY_FAMILY):
                guard byteCount >= headerBytes + MemoryLayout<inet_diag_msg>.size else {
                    return EPROTO
                }
                let message = messages.loadUnaligned(
                    fromByteOffset: content, as: inet_diag_msg.self)
                if let socket = TCPSocket(message) { body(socket) }
            default: break
            }
            offset += (byteCount + 3) & ~3
        }
        return nil
    }

    private final class Entry {
        let path: String
        var code: CInt = 0
        var call = ""

        init(path: String) { self.path = path }

        func run() {
            let namespace = open(path, O_RDONLY | O_CLOEXEC)
            guard namespace >= 0 else {
                (code, call) = (-errno, "open(\(path))")
                return
            }
            defer { close(namespace) }
            code = CLinux_enter_network(namespace)
            call = "setns(\(path))"
            guard code >= 0 else { return }
            code = CLinux_diagnosis_socket()
            call = "socket(NETLINK_SOCK_DIAG)"
        }
    }

    /// - Returns: a descriptor, or -errno of `call`.
    private static func openFromWithin(_ pid: Int32) -> (code: CInt, call: String) {
        let entry = Entry(path: "/proc/\(pid)/ns/net")
        let context = Unmanaged.passRetained(entry)
        defer { context.release() }
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Entry>.fromOpaque(context).takeUnretainedValue().run() }
                return nil
            }, context.toOpaque())
        guard code == 0 else { return (-code, "pthread_create") }
        pthread_join(thread, nil)
        return (entry.code, entry.call)
    }
}

extension TCPSocket {
    /// `nil` for a state that is younger than this program.
    fileprivate init?(_ message: inet_diag_msg) {
        guard let state = TCPState(rawValue: message.idiag_state) else { return nil }
        self.init(
            state: state, isIPv6: Int32(message.idiag_family) == AF_INET6,
            localWords: message.id.idiag_src, localPort: UInt16(bigEndian: message.id.idiag_sport),
            receiveQueue: message.idiag_rqueue, sendQueue: message.idiag_wqueue,
            inode: message.idiag_inode)
    }
}
