// A stream socket between a run and a child, carrying one JSON object per line.

import CLinux
import FoundationEssentials
import Glibc

/// Why nothing can be said or heard any more.
enum ControlError: Error, Hashable, CustomStringConvertible {
    /// The other process has ended or closed its end.
    case closed
    case malformed(String)

    var description: String {
        switch self {
        case .closed: "the control channel was closed: the process has ended"
        case .malformed(let line): "not a control message: \(line.prefix(200))"
        }
    }
}

/// One end of a control channel. One thread at a time.
final class ControlChannel: @unchecked Sendable {
    let fd: CInt
    private var received = MessageLines()

    init(fd: CInt) {
        self.fd = fd
    }

    deinit {
        close(fd)
    }

    /// Two connected ends; both are closed on exec unless they are handed over.
    static func pair() -> (ControlChannel, ControlChannel)? {
        var ends: [CInt] = [-1, -1]
        let type = CLinux_SOCK_STREAM | CLinux_SOCK_CLOEXEC
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { return nil }
        return (ControlChannel(fd: ends[0]), ControlChannel(fd: ends[1]))
    }

    func send(_ message: some Encodable) throws(ControlError) {
        guard var bytes = (try? JSONEncoder().encode(message)).map({ [UInt8]($0) }) else {
            throw .malformed("a message that cannot be encoded")
        }
        bytes.append(UInt8(ascii: "\n"))
        var sent = 0
        while sent < bytes.count {
            let result = bytes.withUnsafeBytes {
                let rest = $0.baseAddress! + sent
                return Glibc.send(fd, rest, bytes.count - sent, CInt(MSG_NOSIGNAL))
            }
            if result < 0 && errno == EINTR { continue }
            if result <= 0 { throw .closed }
            sent += result
        }
    }

    /// The next message, if one is there or comes within `milliseconds` (-1: without end).
    func receive<Message: Decodable>(
        _ type: Message.Type, milliseconds: CInt
    ) throws(ControlError) -> Message? {
        while true {
            if let message = try received.next(type) { return message }
            var waiting = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, milliseconds)
            if ready < 0 && errno == EINTR { return nil }
            if ready <= 0 { return nil }
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let result = chunk.withUnsafeMutableBytes { read(fd, $0.baseAddress!, $0.count) }
            if result < 0 && errno == EINTR { continue }
            if result <= 0 { throw .closed }
            received.append(chunk[..<result])
        }
    }
}

/// Bytes as they arrive, in whatever pieces, and the messages that are whole among them.
struct MessageLines {
    private var bytes: [UInt8] = []

    mutating func append(_ piece: ArraySlice<UInt8>) { bytes.append(contentsOf: piece) }

    /// Takes the first message; `nil`: none is whole yet.
    ///
    /// - Throws: `malformed` for a line that is none, which is taken too.
    mutating func next<Message: Decodable>(
        _ type: Message.Type
    ) throws(ControlError) -> Message? {
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let line = bytes[..<end]
        let message = try? JSONDecoder().decode(Message.self, from: Data(line))
        let text = String(decoding: line, as: UTF8.self)
        bytes.removeSubrange(...end)
        guard let message else { throw .malformed(text) }
        return message
    }
}
