// The control channel between a run and its child processes: its framing, and what it carries.

import FoundationEssentials

@testable import ConnectionBench

extension FuzzTarget {
    /// Bytes in pieces. The first byte says how large they are.
    public static let controlChannel = FuzzTarget(
        "control-channel",
        bytes: { bytes in
            let step = 1 + Int(bytes.first ?? 0) % 16
            let stream = Array(bytes.dropFirst())
            let lineEnd = UInt8(ascii: "\n")
            var channel = MessageLines()
            var whole = MessageLines()
            whole.append(stream[...])
            var offset = 0
            var taken = 0
            while offset < stream.count {
                let end = min(stream.count, offset + step)
                channel.append(stream[offset..<end])
                offset = end
                // After each piece there are as many messages as lines were ended, and no more.
                while let message = answer(&channel) {
                    promise(answer(&whole) == message, "pieces changed message \(taken)")
                    taken += 1
                }
                promise(
                    taken == stream[..<offset].count { $0 == lineEnd },
                    "\(taken) messages after \(offset) bytes")
            }
            promise(answer(&whole) == nil, "a message that was cut off")
        })

    /// A message, what was said instead of one, or `nil`.
    private static func answer(_ lines: inout MessageLines) -> String? {
        do throws(ControlError) {
            return try lines.next([Int].self).map { "\($0)" }
        } catch {
            return "\(error)"
        }
    }

    /// One line: a message of the parent, of a child, or none.
    public static let controlMessage = FuzzTarget(
        "control-message",
        bytes: { bytes in
            roundTrip(ParentMessage.self, bytes)
            roundTrip(ChildMessage.self, bytes)
        })

    private static func roundTrip<Message: Codable>(_ type: Message.Type, _ bytes: [UInt8]) {
        guard !bytes.contains(UInt8(ascii: "\n")) else { return }
        guard let message = try? JSONDecoder().decode(type, from: Data(bytes)) else { return }
        guard let sent = try? sorted(message) else { return }
        // The sender writes no line end but the one that ends the message.
        promise(!sent.contains(UInt8(ascii: "\n")), "a message over two lines")
        var lines = MessageLines()
        let line = [UInt8](sent) + [UInt8(ascii: "\n")]
        for cut in [1, line.count / 2, line.count - 1] {
            var part = MessageLines()
            part.append(line[..<cut])
            promise(((try? part.next(type)) ?? nil) == nil, "a message that was cut off")
        }
        lines.append(line[...])
        guard let again = try? lines.next(type), let second = try? sorted(again) else {
            fatalError("broken promise: a message that cannot be read again")
        }
        promise(second == sent, "a message that changes on its way")
    }

    private static func sorted(_ message: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return try encoder.encode(message)
    }

    /// The bytes of a request to the metrics port.
    public static let metricsRequest = FuzzTarget(
        "metrics-request",
        bytes: { bytes in
            // Once a head is whole, more bytes do not change that.
            let first = MetricsServer.head(in: bytes)
            if first != nil {
                promise(MetricsServer.head(in: bytes + Array("x".utf8)) != nil, "no longer whole")
            }
            let head = first ?? String(decoding: bytes, as: UTF8.self)
            let text = MetricsAnswer(to: head, LiveMetrics().families).text
            // Characters, of which a carriage return and a line feed are one.
            let rows = text.split(separator: "\r\n", omittingEmptySubsequences: false)
            guard let end = rows.firstIndex(of: "") else {
                fatalError("broken promise: an answer without an end of its head")
            }
            let lines = rows[..<end]
            let body = rows[(end + 1)...].joined(separator: "\r\n")
            let status = lines[0].split(separator: " ")
            promise(status.count >= 3 && status[0] == "HTTP/1.1", "'\(lines[0])'")
            promise(["200", "400", "404", "405"].contains(status[1]), "'\(lines[0])'")
            let length = lines.first { $0.hasPrefix("Content-Length: ") }?.dropFirst(16)
            // A request may follow empty lines.
            let isHead = head.drop(while: \.isNewline).hasPrefix("HEAD ") && status[1] == "200"
            promise(
                Int(length ?? "") == body.utf8.count || isHead && body.isEmpty,
                "a length of \(length ?? "")")
            if status[1] == "200" { promise(head.contains("/metrics"), "200 for '\(head)'") }
        })
}
