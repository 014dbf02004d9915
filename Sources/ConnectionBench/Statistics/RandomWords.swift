// Random numbers that a seed fixes: the same run again has the same arrivals, and a comparison gives the
// same answer twice.

/// SplitMix64 (Steele, Lea, Flood 2014).
struct RandomWords: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    /// One generator for each worker and each phase of a run.
    init(seed: UInt64, worker: Int, phase: Int) {
        let place = UInt64(truncatingIfNeeded: worker) << 32 | UInt64(truncatingIfNeeded: phase)
        self.init(seed: RandomWords.mix(seed) ^ RandomWords.mix(place))
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return RandomWords.mix(state)
    }

    /// A position below `count`, without the retries of `Int.random`, which the bootstrap spends
    /// most of its time in. The bias is below count / 2^32.
    mutating func position(below count: Int) -> Int {
        Int(((next() >> 32) &* UInt64(count)) >> 32)
    }

    /// More than 0, and up to 1.
    mutating func unit() -> Double {
        Double((next() >> 11) + 1) * 0x1p-53
    }

    /// The finaliser: a permutation of all words in which each bit depends on every other.
    @inline(__always)
    static func mix(_ word: UInt64) -> UInt64 {
        var word = word
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}
