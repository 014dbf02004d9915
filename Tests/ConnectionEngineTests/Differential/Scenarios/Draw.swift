// Where a scenario's chance comes from: a seed, and nothing else.

/// SplitMix64. The same seed draws the same numbers on every place and in every run.
struct Draw: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    /// The draws of one part of a run, which do not shift when another part draws more.
    init(seed: UInt64, part: Int) {
        state = seed &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(truncatingIfNeeded: part) &* 0xd1b5_4a32
        _ = next()
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    mutating func one<Value>(of values: [Value]) -> Value {
        values[number(0...values.count - 1)]
    }

    /// Bytes of a message: often at the edges of the buffers that are in use, never 0.
    mutating func size(upTo most: Int = 9_000) -> Int {
        let edges = [1, 2, 63, 64, 65, 511, 512, 513, 2_047, 2_048, 2_049, 4_096]
        let size = number(0...1) == 0 ? one(of: edges) : number(1...most)
        return min(size, most)
    }

    /// Milliseconds of a pause that is to be short.
    mutating func moment() -> Int { number(0...2) }
}
