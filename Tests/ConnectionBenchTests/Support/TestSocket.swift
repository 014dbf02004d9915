// Blocking TCP sockets for tests that look at ports and namespaces.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

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
        PlainSocket.bind(fd, to: address)
    }

    func connect(_ address: SocketAddress) -> CInt {
        PlainSocket.connect(fd, to: address)
    }

    func listen() -> CInt {
        Glibc.listen(fd, 128) == 0 ? 0 : errno
    }

    func accept() -> TestSocket { TestSocket(fd: Glibc.accept(fd, nil, nil)) }

    /// This end's address.
    var local: SocketAddress { get throws { try PlainSocket.localAddress(of: fd) } }
    /// The other end's address.
    var peer: SocketAddress { get throws { try PlainSocket.peerAddress(of: fd) } }

    /// Listens on a port of the kernel's choice, or on that of `address`.
    static func listening(on address: SocketAddress) throws -> TestSocket {
        let socket = TestSocket()
        try #require(socket.bind(address) == 0)
        try #require(socket.listen() == 0)
        return socket
    }
}
