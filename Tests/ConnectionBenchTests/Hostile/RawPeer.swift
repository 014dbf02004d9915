// A harmful peer as a plain socket: for what the engine is too well-behaved to do.

import ConnectionEngine
import Glibc

@testable import ConnectionBench

/// A TCP socket that nothing lets hang: each call waits for 30 s at most.
final class RawPeer {
    let fd: CInt

    /// - Returns: `nil` when no socket is to be had.
    init?(from source: SocketAddress? = nil, isBlocking: Bool = true) {
        let type = CInt(SOCK_STREAM.rawValue) | (isBlocking ? 0 : O_NONBLOCK)
        fd = socket(AF_INET, type, 0)
        guard fd >= 0 else { return nil }
        var bound = timeval(tv_sec: 30, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, size)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, size)
        if let source, PlainSocket.bind(fd, to: source) != 0 { return nil }
    }

    deinit { close(fd) }

    /// - Returns: 0 or an errno; EINPROGRESS for a socket that does not block.
    func connect(to address: SocketAddress) -> CInt {
        PlainSocket.connect(fd, to: address)
    }

    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let result = bytes.withUnsafeBytes {
                Glibc.send(fd, $0.baseAddress! + sent, bytes.count - sent, CInt(MSG_NOSIGNAL))
            }
            if result < 0 && errno == EINTR { continue }
            if result <= 0 { return false }
            sent += result
        }
        return true
    }

    /// Its end is a reset, and nothing of it stays in the kernel.
    func resetOnClose() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            fd, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
    }

    func finishWriting() { shutdown(fd, CInt(SHUT_WR)) }

    /// Exactly `count` bytes, fewer only at the end of the stream; `nil`: none in time, or a reset.
    func receive(_ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let result = bytes.withUnsafeMutableBytes {
                recv(fd, $0.baseAddress! + filled, count - filled, 0)
            }
            if result < 0 && errno == EINTR { continue }
            if result < 0 { return nil }
            if result == 0 { break }
            filled += result
        }
        return Array(bytes[..<filled])
    }
}

/// The bytes of a message that a plain socket sends.
func hostileBytes(_ connection: Int, count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let pattern = MessagePattern(connection: UInt32(connection), sequence: 0)
    bytes.withUnsafeMutableBytes {
        var span = $0.mutableBytes
        pattern.fill(&span)
    }
    return bytes
}
