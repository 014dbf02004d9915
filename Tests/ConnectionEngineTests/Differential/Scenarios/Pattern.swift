// Streams of known bytes: a byte that is lost, doubled or another connection's is noticed.

/// 65,536 bytes without a short period, and the beginning once more, so that slices are contiguous.
private let table: [UInt8] = {
    var state: UInt32 = 0x2545_f491
    let once = (0..<65_536).map { _ -> UInt8 in
        state = state &* 1_664_525 &+ 1_013_904_223
        return UInt8(truncatingIfNeeded: state >> 24)
    }
    return once + once
}()

/// `count` bytes of stream `number`, from `offset` on.
func pattern(_ number: Int, from offset: Int = 0, count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    var position = (offset + number * 257) & 0xffff
    while bytes.count < count {
        let piece = min(count - bytes.count, 65_536)
        bytes += table[position..<(position + piece)]
        position = (position + piece) & 0xffff
    }
    return bytes
}
