// Latencies while they are measured: coarse counts in shared memory, for the live view.

/// Counts of latencies in buckets a quarter of an octave wide, from 1 µs to 4 minutes.
///
/// A percentile of it is at most an eighth wrong. It is what a person sees while a run goes on, and never
/// what a result holds: that comes from the HDR histograms.
struct LatencySketch {
    static let bucketCount = 112
    /// Values below 2^10 ns fall into the first bucket.
    private static let firstExponent = 10

    private(set) var counts: [Int]

    init() {
        counts = Array(repeating: 0, count: LatencySketch.bucketCount)
    }

    @inline(__always)
    static func bucket(of nanoseconds: UInt64) -> Int {
        guard nanoseconds >= 1 << firstExponent else { return 0 }
        let exponent = 63 - nanoseconds.leadingZeroBitCount
        // The two bits after the leading one.
        let quarter = Int(nanoseconds >> UInt64(exponent - 2)) & 3
        return min((exponent - firstExponent) * 4 + quarter, bucketCount - 1)
    }

    /// The middle of a bucket.
    static func nanoseconds(of bucket: Int) -> UInt64 {
        let base = UInt64(1) << UInt64(bucket / 4 + firstExponent)
        return base + base / 4 * UInt64(bucket % 4) + base / 8
    }

    mutating func add(_ bucket: Int, count: Int) {
        counts[bucket] += count
    }

    var count: Int { counts.reduce(0, +) }

    /// What was recorded after `earlier` was taken.
    func since(_ earlier: LatencySketch) -> LatencySketch {
        var difference = LatencySketch()
        for index in counts.indices {
            difference.counts[index] = max(0, counts[index] - earlier.counts[index])
        }
        return difference
    }

    /// `nil`: nothing was recorded.
    func nanoseconds(atPercentile percentile: Double) -> UInt64? {
        let total = count
        guard total > 0 else { return nil }
        let rank = max(1, Int((Double(total) * percentile / 100).rounded(.up)))
        var seen = 0
        for (bucket, count) in counts.enumerated() {
            seen += count
            if seen >= rank { return LatencySketch.nanoseconds(of: bucket) }
        }
        return nil
    }
}
