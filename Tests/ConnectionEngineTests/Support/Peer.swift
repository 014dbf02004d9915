// The other end of a connection: a plain blocking socket without any of the engine's code.

import ConnectionEngine
import Glibc

/// A connected or listening TCP socket; closed with its last reference.
final class Peer: @unchecked Sendable {
    private(set) var fd: CInt

    private init(fd: CInt) {
        precondition(fd >= 0, "socket: errno \(errno)")
        self.fd = fd
        // A peer that hears nothing must fail its test, not hang it.
        var bound = timeval(tv_sec: Int(patience / 1_000_000_000), tv_usec: 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close() }

    private static func socket(_ address: SocketAddress) -> Peer {
        let type = CInt(SOCK_STREAM.rawValue)
        return Peer(fd: Glibc.socket(address.isIPv6 ? AF_INET6 : AF_INET, type, 0))
    }

    static func listening(
        on address: SocketAddress = .loopback(port: 0), backlog: CInt = 512
    ) throws -> Peer {
        let peer = socket(address)
        try address.withKernelForm { try check(Glibc.bind(peer.fd, $0, $1), "bind") }
        try check(Glibc.listen(peer.fd, backlog), "listen")
        return peer
    }

    static func connected(
        to address: SocketAddress, from source: SocketAddress = ownSource,
        receiveBuffer: CInt? = nil, beforehand: () -> Void = {}
    ) throws -> Peer {
        let peer = socket(address)
        if var size = receiveBuffer {
            setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &size, 4)
        }
        if !address.isIPv6 {
            var one: CInt = 1
            setsockopt(peer.fd, SOL_SOCKET, SO_REUSEADDR, &one, 4)
            try source.withKernelForm { try check(Glibc.bind(peer.fd, $0, $1), "bind") }
        }
        beforehand()
        try address.withKernelForm { try check(Glibc.connect(peer.fd, $0, $1), "connect") }
        return peer
    }

    /// A bound socket, to be connected later.
    ///
    /// - Parameter lowestDescriptor: its descriptor is no smaller: above a lowered limit it takes
    ///   nothing from the engine under test.
    static func unconnected(lowestDescriptor: CInt) throws -> Peer {
        let low = socket(ownSource)
        var one: CInt = 1
        setsockopt(low.fd, SOL_SOCKET, SO_REUSEADDR, &one, 4)
        try ownSource.withKernelForm { try check(Glibc.bind(low.fd, $0, $1), "bind") }
        return Peer(fd: duplicate(of: low.fd, lowest: lowestDescriptor))
    }

    func connect(to address: SocketAddress) throws {
        try address.withKernelForm { try check(Glibc.connect(fd, $0, $1), "connect") }
    }

    func accept() throws -> Peer {
        let accepted = Glibc.accept(fd, nil, nil)
        try check(accepted, "accept")
        return Peer(fd: accepted)
    }

    var address: SocketAddress { name(getsockname) }
    var remoteAddress: SocketAddress { name(getpeername) }

    func write(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(fd, $0.baseAddress! + sent, bytes.count - sent, noSignal)
            }
            try check(CInt(clamping: count), "send")
            sent += count
        }
    }

    /// Reads exactly `count` bytes, fewer only at the end of the stream.
    func read(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let result = bytes.withUnsafeMutableBytes {
                Glibc.recv(fd, $0.baseAddress! + filled, count - filled, 0)
            }
            try check(CInt(clamping: result), "recv")
            if result == 0 { break }
            filled += result
        }
        return Array(bytes[..<filled])
    }

    func readToEnd() throws -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let piece = try read(65_536)
            all += piece
            if piece.count < 65_536 { return all }
        }
    }

    /// What came before the end; a reset is an end too here: a close with unread bytes makes one.
    func readToEndOrReset() throws -> [UInt8] {
        var all: [UInt8] = []
        var bytes = [UInt8](repeating: 0, count: 65_536)
        while true {
            let result = Glibc.recv(fd, &bytes, bytes.count, 0)
            if result == 0 || (result < 0 && errno == ECONNRESET) { return all }
            try check(CInt(clamping: result), "recv")
            all += bytes[..<result]
        }
    }

    /// Whether the connection ends with a reset, after whatever still comes.
    func endsWithReset() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        while true {
            let result = Glibc.recv(fd, &bytes, bytes.count, 0)
            if result < 0 { return errno == ECONNRESET }
            if result == 0 { return false }
        }
    }

    /// Says that nothing more will come, but goes on reading.
    func finishWriting() {
        Glibc.shutdown(fd, CInt(SHUT_WR))
    }

    func close() {
        if fd >= 0 { _ = Glibc.close(fd) }
        fd = -1
    }

    /// Ends the connection with a reset.
    func reset() {
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        close()
    }

    private func name(
        _ call: (CInt, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
    ) -> SocketAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            let plain = UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: sockaddr.self)
            precondition(call(fd, plain, &length) == 0, "errno \(errno)")
            let raw = UnsafeRawPointer(pointer)
            let port = UInt16(bigEndian: raw.load(fromByteOffset: 2, as: UInt16.self))
            if pointer.pointee.ss_family == sa_family_t(AF_INET6) {
                return SocketAddress(
                    ipv6High: UInt64(bigEndian: raw.load(fromByteOffset: 8, as: UInt64.self)),
                    ipv6Low: UInt64(bigEndian: raw.load(fromByteOffset: 16, as: UInt64.self)),
                    port: port)
            }
            let ipv4 = UInt32(bigEndian: raw.load(fromByteOffset: 4, as: UInt32.self))
            return SocketAddress(ipv4: ipv4, port: port)
        }
    }
}

/// A send to a closed connection is an error, not SIGPIPE.
private let noSignal: CInt = 0x4000

struct PeerError: Error, CustomStringConvertible {
    let description: String
}

private func check(_ result: CInt, _ call: String) throws {
    if result < 0 { throw PeerError(description: "\(call): \(Errno(errno))") }
}

extension SocketAddress {
    fileprivate func withKernelForm<Result>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Result
    ) rethrows -> Result {
        var storage = sockaddr_storage()
        let length = socklen_t(isIPv6 ? 28 : 16)
        return try withUnsafeMutablePointer(to: &storage) { pointer in
            let raw = UnsafeMutableRawPointer(pointer)
            raw.storeBytes(of: UInt16(isIPv6 ? AF_INET6 : AF_INET), as: UInt16.self)
            raw.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
            if isIPv6 {
                raw.storeBytes(of: high.bigEndian, toByteOffset: 8, as: UInt64.self)
                raw.storeBytes(of: low.bigEndian, toByteOffset: 16, as: UInt64.self)
            } else {
                let address = UInt32(truncatingIfNeeded: low).bigEndian
                raw.storeBytes(of: address, toByteOffset: 4, as: UInt32.self)
            }
            return try body(raw.assumingMemoryBound(to: sockaddr.self), length)
        }
    }
}
