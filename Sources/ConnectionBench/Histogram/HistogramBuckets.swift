// The counts array of an HDR histogram: which index a value has, and back.

/// Bucket 0 has `subBucketCount` slots of one unit, each further bucket half as many, twice as wide.
///
/// The package that records keeps its counts to itself; the files of HdrHistogram are made of them.
struct HistogramBuckets: Equatable {
    let lowest: UInt64
    let highest: UInt64
    let digits: Int
    /// A unit is 2 to this: the largest power of two up to `lowest`.
    private let unitMagnitude: Int
    private let halfCountMagnitude: Int

    /// - Returns: `nil` for parameters that no histogram can have.
    init?(lowest: UInt64, highest: UInt64, digits: Int) {
        guard lowest >= 1, lowest <= highest / 2, highest < UInt64(Int64.max),
            (1...5).contains(digits)
        else { return nil }
        self.lowest = lowest
        self.highest = highest
        self.digits = digits
        unitMagnitude = 63 - lowest.leadingZeroBitCount
        // Single units up to 2 x 10^digits, rounded up to a power of two.
        let units = (0..<digits).reduce(UInt64(2)) { product, _ in product * 10 }
        halfCountMagnitude = 64 - (units - 1).leadingZeroBitCount - 1
        guard unitMagnitude + halfCountMagnitude <= 61 else { return nil }
    }

    private var halfCount: Int { 1 << halfCountMagnitude }
    var subBucketCount: Int { 2 * halfCount }

    /// Slots for all values up to `highest`.
    var count: Int { index(of: highest) / halfCount * halfCount + halfCount }
    var bucketCount: Int { count / halfCount - 1 }

    func index(of value: UInt64) -> Int {
        let mask = UInt64(subBucketCount - 1) << unitMagnitude
        let bucket =
            64 - unitMagnitude - halfCountMagnitude - 1 - (value | mask).leadingZeroBitCount
        let slot = Int(value >> UInt64(bucket + unitMagnitude))
        return (bucket + 1) << halfCountMagnitude + slot - halfCount
    }

    /// The smallest value of a slot.
    func value(at index: Int) -> UInt64 {
        let bucket = index >> halfCountMagnitude - 1
        let slot = index & (halfCount - 1)
        return bucket < 0
            ? UInt64(slot) << UInt64(unitMagnitude)
            : UInt64(slot + halfCount) << UInt64(bucket + unitMagnitude)
    }

    /// The largest value of a slot.
    func highestValue(at index: Int) -> UInt64 { value(at: index) + width(at: index) - 1 }

    /// How many values share a slot.
    func width(at index: Int) -> UInt64 {
        1 << UInt64(max(0, index >> halfCountMagnitude - 1) + unitMagnitude)
    }
}
