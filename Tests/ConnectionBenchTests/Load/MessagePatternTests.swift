// The bytes of a request belong to one connection, one request and one place.

import Testing

@testable import ConnectionBench

@Suite struct MessagePatternTests {
    private func bytes(_ connection: UInt32, _ sequence: UInt32, count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        MessagePattern(connection: connection, sequence: sequence).fill(&raw)
        return bytes
    }

    private func matches(_ pattern: MessagePattern, _ bytes: [UInt8], from start: Int) -> Bool {
        pattern.matches(bytes.span.bytes, from: start)
    }

    @Test("a pattern matches itself in every piece", arguments: [1, 7, 8, 9, 64, 100])
    func pieces(count: Int) {
        let pattern = MessagePattern(connection: 5, sequence: 9)
        let whole = bytes(5, 9, count: count)
        for start in 0..<count {
            for end in start...count {
                let piece = Array(whole[start..<end])
                #expect(matches(pattern, piece, from: start))
            }
        }
    }

    @Test("any changed byte is found")
    func changed() {
        let pattern = MessagePattern(connection: 5, sequence: 9)
        for position in 0..<67 {
            var whole = bytes(5, 9, count: 67)
            whole[position] ^= 0x80
            #expect(!matches(pattern, whole, from: 0))
        }
    }

    @Test("connections, requests and places have patterns of their own")
    func different() {
        let pattern = bytes(5, 9, count: 64)
        #expect(bytes(6, 9, count: 64) != pattern)
        #expect(bytes(5, 10, count: 64) != pattern)
        let shifted = Array(pattern[8...])
        #expect(!matches(MessagePattern(connection: 5, sequence: 9), shifted, from: 0))
    }

    @Test("a shorter message is the beginning of a longer one")
    func prefix() {
        #expect(bytes(1, 2, count: 13) == Array(bytes(1, 2, count: 64)[..<13]))
    }
}
