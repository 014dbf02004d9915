// IPv4 sockets without an engine: for what is measured, served or tested call by call.

import ConnectionEngine
import Glibc

/// Calls on a socket that belongs to the caller.
enum PlainSocket {
    /// - Returns: 0 or an errno.
    static func bind(_ fd: CInt, to address: SocketAddress) -> CInt {
        withKernelForm(of: address) { Glibc.bind(fd, $0, $1) == 0 ? 0 : errno }
    }

    /// - Returns: 0 or an errno; EINPROGRESS for a socket that does not block.
    static func connect(_ fd: CInt, to address: SocketAddress) -> CInt {
        withKernelForm(of: address) { Glibc.connect(fd, $0, $1) == 0 ? 0 : errno }
    }

    static func localAddress(of fd: CInt) throws(SystemError) -> SocketAddress {
        try address(of: fd, "getsockname", getsockname)
    }

    static func peerAddress(of fd: CInt) throws(SystemError) -> SocketAddress {
        try address(of: fd, "getpeername", getpeername)
    }

    private static func address(
        of fd: CInt, _ name: String,
        _ call: (CInt, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
    ) throws(SystemError) -> SocketAddress {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                call(fd, $0, &length) == 0 ? 0 : errno
            }
        }
        if code != 0 { throw SystemError(Errno(code), call: name) }
        return SocketAddress(
            ipv4: UInt32(bigEndian: address.sin_addr.s_addr),
            port: UInt16(bigEndian: address.sin_port))
    }

    private static func withKernelForm(
        of address: SocketAddress, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        var storage = sockaddr_in()
        storage.sin_family = sa_family_t(AF_INET)
        storage.sin_addr.s_addr = UInt32(address.low).bigEndian
        storage.sin_port = address.port.bigEndian
        return withUnsafePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
