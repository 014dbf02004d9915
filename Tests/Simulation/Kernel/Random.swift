// All chance of a simulation comes from one seed.

/// SplitMix64 (Steele, Lea and Flood 2014): small, fast, and every seed is a good one.
struct SimulatedChance {
    private var state: UInt64

    init(seed: UInt64) {
        // Neighbouring seeds must not begin within each other's sequence.
        state = seed ^ 0x1234_5678_9abc_def1
        state = next() ^ seed << 32
        state = next()
    }

    @inline(__always)
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// 0 to `bound` - 1.
    @inline(__always)
    mutating func below(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    mutating func within(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + below(range.count)
    }

    /// True once in `period` times on average; never for 0.
    @inline(__always)
    mutating func once(in period: Int) -> Bool {
        period > 0 && below(period) == 0
    }

    mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[below(elements.count)]
    }
}
