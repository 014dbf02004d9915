// zlib's frame around bytes as they are: a valid stream that needs no library.

/// Histograms of a run are a few kilobytes; to shrink them is not worth a dependency of the tool.
enum StoredZlib {
    private static let blockMax = 65_535

    static func wrap(_ bytes: [UInt8]) -> [UInt8] {
        // Deflate with a window of 32 KiB, the fastest level, and the check that makes it 0 mod 31.
        var stream: [UInt8] = [0x78, 0x01]
        var rest = bytes[...]
        repeat {
            let block = rest.prefix(blockMax)
            rest = rest.dropFirst(block.count)
            let length = UInt16(block.count)
            stream.append(rest.isEmpty ? 1 : 0)
            for half in [length, ~length] { stream += [UInt8(half & 0xff), UInt8(half >> 8)] }
            stream += block
        } while !rest.isEmpty
        var check = BigEndianBytes()
        check.append(adler32(bytes))
        return stream + check.bytes
    }

    static func unwrap(_ stream: some Collection<UInt8>) throws(HistogramTextError) -> [UInt8] {
        var reader = BigEndianReader(bytes: stream)
        let header = try reader.integer(UInt16.self)
        guard header >> 8 & 0x0f == 8, header % 31 == 0, header & 0x20 == 0 else {
            throw HistogramTextError("its content is not a zlib stream")
        }
        var bytes: [UInt8] = []
        var isLast = false
        while !isLast {
            let head = try reader.integer(UInt8.self)
            guard head & ~1 == 0 else {
                throw HistogramTextError(
                    "its content is deflated; only what uring-bench has written itself is read")
            }
            isLast = head == 1
            let length = try reader.integer(UInt16.self).byteSwapped
            guard try reader.integer(UInt16.self).byteSwapped == ~length else {
                throw HistogramTextError("the length of a block does not match its complement")
            }
            bytes += try reader.take(Int(length))
        }
        guard try reader.integer(UInt32.self) == adler32(bytes) else {
            throw HistogramTextError("its checksum does not match")
        }
        return bytes
    }

    static func adler32(_ bytes: [UInt8]) -> UInt32 {
        var (low, high): (UInt32, UInt32) = (1, 0)
        for byte in bytes {
            low = (low + UInt32(byte)) % 65_521
            high = (high + low) % 65_521
        }
        return high << 16 | low
    }
}
