// Latencies in an HDR histogram, and their way from process to process and into files.

import Histogram

/// Nanoseconds from 1 µs' resolution up to 120 s, 3 significant digits: at most 0.1 % wrong.
public struct LatencyHistogram: Sendable {
    static let highest: UInt64 = 120_000_000_000
    private static let lowest: UInt64 = 256
    private var histogram: Histogram<UInt64>

    static var buckets: HistogramBuckets {
        guard let buckets = HistogramBuckets(lowest: lowest, highest: highest, digits: 3) else {
            preconditionFailure("the range of latencies is one")
        }
        return buckets
    }

    public init() {
        self.init(isCoarse: false)
    }

    /// - Parameter isCoarse: 2 digits, in an eighth of the memory: for what is only judged.
    init(isCoarse: Bool) {
        histogram = Histogram<UInt64>(
            lowestDiscernibleValue: Self.lowest, highestTrackableValue: Self.highest,
            numberOfSignificantValueDigits: isCoarse ? .two : .three)
    }

    /// Reads what ``base64`` has written; histograms of another resolution are taken slot by slot.
    public init(base64: String) throws(HistogramTextError) {
        self.init()
        let counts = try HistogramText.decode(base64)
        let buckets = LatencyHistogram.buckets
        // The library adds up all values, and traps beyond 64 bits.
        var rest = UInt64.max
        for (index, count) in counts.slots {
            let foreign = min(counts.buckets.highestValue(at: index), LatencyHistogram.highest)
            let value = buckets.highestValue(at: buckets.index(of: foreign))
            let (sum, isBeyond) = value.multipliedReportingOverflow(by: count)
            guard !isBeyond, sum <= rest else {
                throw HistogramTextError("its values add up to more than 2^64 nanoseconds")
            }
            rest -= sum
            histogram.record(value, count: count)
        }
    }

    /// Values above the range count as the highest one. Allocates nothing.
    @inline(__always)
    public mutating func record(_ nanoseconds: UInt64) {
        histogram.record(min(nanoseconds, LatencyHistogram.highest))
    }

    mutating func add(_ sparse: SparseHistogram) {
        for (value, count) in zip(sparse.values, sparse.counts) {
            histogram.record(value, count: count)
        }
    }

    /// Merges without loss; percentiles come from the sum.
    public mutating func add(_ other: LatencyHistogram) {
        add(other.sparse)
    }

    public mutating func reset() {
        histogram.reset()
    }

    public var count: UInt64 { histogram.totalCount }

    /// Values from `low` up to, not including, `high`, within the histogram's resolution.
    func count(from low: UInt64, to high: UInt64) -> UInt64 {
        histogram.recordedValues().reduce(0) {
            low <= $1.value && $1.value < high ? $0 + $1.count : $0
        }
    }

    /// The largest of the values that so many percent are not above; 0 without any.
    public func value(atPercentile percentile: Double) -> UInt64 {
        count > 0 ? histogram.valueAtPercentile(percentile) : 0
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

    /// HdrHistogram's compressed V2 form, as programs of many languages read it.
    public var base64: String {
        let buckets = LatencyHistogram.buckets
        let slots = histogram.recordedValues().map { entry in
            (index: buckets.index(of: entry.value), count: entry.count)
        }
        return HistogramText.encode(HistogramCounts(buckets: buckets, slots: slots))
    }

    public var summary: LatencySummary {
        func at(_ percentile: Double) -> UInt64 { histogram.valueAtPercentile(percentile) }
        guard histogram.totalCount > 0 else { return LatencySummary() }
        return LatencySummary(
            count: histogram.totalCount, minNanoseconds: histogram.min,
            meanNanoseconds: UInt64(histogram.mean), p50Nanoseconds: at(50),
            p90Nanoseconds: at(90), p99Nanoseconds: at(99), p999Nanoseconds: at(99.9),
            p9999Nanoseconds: at(99.99), maxNanoseconds: histogram.max)
    }
}

extension LatencyHistogram {
    /// A point of the curve that ends at the maximum, closer and closer together towards it.
    public struct PercentilePoint: Sendable {
        public let nanoseconds: UInt64
        /// 0 to 100.
        public let percentile: Double
        /// Values up to here.
        public let count: UInt64
    }

    /// - Parameter ticksPerHalfDistance: points in each half of what is left to 100 %.
    public func percentilePoints(ticksPerHalfDistance: Int = 5) -> [PercentilePoint] {
        guard count > 0 else { return [] }
        return histogram.percentiles(ticksPerHalfDistance: ticksPerHalfDistance).map {
            PercentilePoint(
                nanoseconds: $0.value, percentile: $0.percentileLevelIteratedTo,
                count: $0.totalCountToThisValue)
        }
    }

    /// In nanoseconds; 0 without values.
    var mean: Double { histogram.mean }
    var standardDeviation: Double { histogram.stdDeviation }
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
