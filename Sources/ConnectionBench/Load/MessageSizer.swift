// The size of each request, known on both ways without being stored.

/// Sizes that follow from a connection's index and a request's number, so that an answer is
/// expected with its own size.
struct MessageSizer: ~Copyable {
    /// All requests have this size; 0: it is drawn.
    private let fixed: Int
    private let low: UInt64
    private let width: UInt64
    private let shares: ConnectionArray<SizeShare>

    init(_ sizes: MessageSizes?, fixed byteCount: Int) {
        switch sizes {
        case nil:
            fixed = byteCount
            (low, width) = (0, 0)
            shares = ConnectionArray(count: 0)
        case .uniform(let first, let last):
            fixed = 0
            (low, width) = (UInt64(first), UInt64(last - first + 1))
            shares = ConnectionArray(count: 0)
        case .weighted(let list):
            fixed = 0
            (low, width) = (0, 0)
            shares = ConnectionArray(count: list.count)
            let all = UInt64(list.reduce(0) { $0 + $1.weight })
            var sum: UInt64 = 0
            for (index, item) in list.enumerated() {
                sum += UInt64(item.weight)
                shares[index] = SizeShare(end: (sum << 32) / all, byteCount: UInt32(item.byteCount))
            }
        }
    }

    @inline(__always)
    func byteCount(_ pattern: MessagePattern) -> Int {
        fixed != 0 ? fixed : draw(pattern.sizeDraw)
    }

    private func draw(_ word: UInt64) -> Int {
        if width > 0 { return Int(low + word.multipliedFullWidth(by: width).high) }
        let place = word >> 32
        var index = 0
        while index + 1 < shares.count, place >= shares[index].end { index += 1 }
        return Int(shares[index].byteCount)
    }
}

/// One size of a distribution, with the upper end of its part of all 2^32 draws.
struct SizeShare: BitwiseCopyable {
    var end: UInt64
    var byteCount: UInt32
}
