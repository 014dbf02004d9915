// Blocking TCP sockets for tests that look at ports and namespaces.

import ConnectionEngine
import Glibc
import Testing

/// A TCP socket that is closed with its last reference. Calls give 0 or an errno.
final class TestSocket {
    let fd: CInt

    init() {
        fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    }

    private init(fd: CInt) {
        self.fd = fd
    }

    deinit {
        close(fd)
    }

    func bind(_ address: SocketAddress) -> CInt {
        withIPv4Address(address) { Glibc.bind(fd, $0, $1) == 0 ? 0 : errno }
    }

    func connect(_ address: SocketAddress) -> CInt {
        withIPv4Address(address) { Glibc.connect(fd, $0, $1) == 0 ? 0 : errno }
    }

    func listen() -> CInt {
        Glibc.listen(fd, 128) == 0 ? 0 : errno
    }

    func accept() -> TestSocket { TestSocket(fd: Glibc.accept(fd, nil, nil)) }

    /// This end's address.
    var local: SocketAddress { name(getsockname) }
    /// The other end's address.
    var peer: SocketAddress { name(getpeername) }

    /// Listens on a port of the kernel's choice, or on that of `address`.
    static func listening(on address: SocketAddress) throws -> TestSocket {
        let socket = TestSocket()
        try #require(socket.bind(address) == 0)
        try #require(socket.listen() == 0)
        return socket
    }

    private func name(
        _ call: (CInt, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
    ) -> SocketAddress {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call(fd, $0, &length) }
        }
        return SocketAddress(
            ipv4: UInt32(bigEndian: address.sin_addr.s_addr),
            port: UInt16(bigEndian: address.sin_port))
    }
}

/// The kernel's form of an address, for a call that takes one.
func withIPv4Address(
    _ address: SocketAddress, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
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
