// Latencies in an HDR histogram, and their way from process to process.

import Histogram

/// Nanoseconds from 1 µs' resolution up to 120 s, 3 significant digits: at most 0.1 % wrong.
struct LatencyHistogram {
    static let highest: UInt64 = 120_000_000_000
    private var histogram: Histogram<UInt64>

    /// - Parameter isCoarse: 2 digits, in an eighth of the memory: for what is only judged.
    init(isCoarse: Bool = false) {
        histogram = Histogram<UInt64>(
            lowestDiscernibleValue: 256, highestTrackableValue: Self.highest,
            numberOfSignificantValueDigits: isCoarse ? .two : .three)
    }

    /// Values above the range count as the highest one. Allocates nothing.
    @inline(__always)
    mutating func record(_ nanoseconds: UInt64) {
        histogram.record(min(nanoseconds, LatencyHistogram.highest))
    }

    mutating func add(_ sparse: SparseHistogram) {
        for (value, count) in zip(sparse.values, sparse.counts) {
            histogram.record(value, count: count)
        }
    }

    mutating func reset() {
        histogram.reset()
    }

    var count: UInt64 { histogram.totalCount }

    /// Values from `low` up to, not including, `high`, within the histogram's resolution.
    func count(from low: UInt64, to high: UInt64) -> UInt64 {
        histogram.recordedValues().reduce(0) {
            low <= $1.value && $1.value < high ? $0 + $1.count : $0
        }
    }

    /// The recorded values with their counts, for sending and merging without loss.
    var sparse: SparseHistogram {
        var sparse = SparseHistogram()
        for entry in histogram.recordedValues() {
            sparse.values.append(entry.value)
            sparse.counts.append(entry.count)
        }
        return sparse
    }

    var summary: LatencySummary {
        func at(_ percentile: Double) -> UInt64 { histogram.valueAtPercentile(percentile) }
        guard histogram.totalCount > 0 else { return LatencySummary() }
        return LatencySummary(
            count: histogram.totalCount, minNanoseconds: histogram.min,
            meanNanoseconds: UInt64(histogram.mean), p50Nanoseconds: at(50),
            p90Nanoseconds: at(90), p99Nanoseconds: at(99), p999Nanoseconds: at(99.9),
            p9999Nanoseconds: at(99.99), maxNanoseconds: histogram.max)
    }
}

/// A histogram as pairs of value and count.
struct SparseHistogram: Codable, Sendable {
    var values: [UInt64] = []
    var counts: [UInt64] = []
}

/// What a histogram says. Percentiles come from the merged histogram, never from an average.
public struct LatencySummary: Codable, Hashable, Sendable {
    public var count: UInt64 = 0
    public var minNanoseconds: UInt64 = 0
    public var meanNanoseconds: UInt64 = 0
    public var p50Nanoseconds: UInt64 = 0
    public var p90Nanoseconds: UInt64 = 0
    public var p99Nanoseconds: UInt64 = 0
    public var p999Nanoseconds: UInt64 = 0
    public var p9999Nanoseconds: UInt64 = 0
    public var maxNanoseconds: UInt64 = 0
}
