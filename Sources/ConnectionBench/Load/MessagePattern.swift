// The bytes of a request: different for each connection and each request, checked one by one.

/// A sequence of bytes that follows from a connection's index and a request's number, so that an
/// answer which belongs to another connection, another request or another place does not pass.
struct MessagePattern {
    private let seed: UInt64

    init(connection: UInt32, sequence: UInt32) {
        seed = RandomWords.mix(
            (UInt64(connection) << 32 | UInt64(sequence)) &+ 0x9e37_79b9_7f4a_7c15)
    }

    /// A word to draw the message's size with, apart from its bytes.
    var sizeDraw: UInt64 { RandomWords.mix(seed ^ 0xd1b5_4a32_d192_ed03) }

    @inline(__always)
    private func word(_ position: Int) -> UInt64 {
        seed &+ UInt64(truncatingIfNeeded: position) &* 0xd134_2543_de82_ef95
    }

    /// Writes the first bytes of the sequence.
    func fill(_ bytes: inout MutableRawSpan) {
        let count = bytes.byteCount
        var offset = 0
        while offset + 8 <= count {
            bytes.storeBytes(of: word(offset / 8), toByteOffset: offset, as: UInt64.self)
            offset += 8
        }
        while offset < count {
            bytes.storeBytes(of: byte(offset), toByteOffset: offset, as: UInt8.self)
            offset += 1
        }
    }

    /// Whether `bytes` are those of the sequence from `start` on.
    func matches(_ bytes: RawSpan, from start: Int) -> Bool {
        let count = bytes.byteCount
        var offset = 0
        if start % 8 == 0 {
            while offset + 8 <= count {
                let found = bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
                if found != word((start + offset) / 8) { return false }
                offset += 8
            }
        }
        while offset < count {
            let found = bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
            if found != byte(start + offset) { return false }
            offset += 1
        }
        return true
    }

    private func byte(_ position: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: word(position / 8) >> (UInt64(position % 8) * 8))
    }
}
