// The slots of an HDR histogram: computed here as the recording package computes them.

import Histogram
import Testing

@testable import ConnectionBench

@Suite struct HistogramBucketsTests {
    private static let values: [UInt64] = [
        0, 1, 255, 256, 257, 511, 512, 524_287, 524_288, 524_289, 1_048_575, 1_048_576, 1_000_000,
        123_456_789, 59_999_999_999, 120_000_000_000,
    ]

    @Test("a value's slot begins at or below it and ends above it", arguments: values)
    func slot(value: UInt64) {
        let buckets = LatencyHistogram.buckets
        let index = buckets.index(of: value)
        let start = buckets.value(at: index)
        #expect(start <= value && value < start + buckets.width(at: index))
        #expect(buckets.index(of: start) == index)
        #expect(buckets.value(at: index + 1) == start + buckets.width(at: index))
    }

    @Test("slots are those of the package that records", arguments: values)
    func package(value: UInt64) {
        let histogram = Histogram<UInt64>(
            lowestDiscernibleValue: 256, highestTrackableValue: LatencyHistogram.highest,
            numberOfSignificantValueDigits: .three)
        let buckets = LatencyHistogram.buckets
        let index = buckets.index(of: value)
        #expect(buckets.value(at: index) == histogram.lowestEquivalentForValue(value))
        #expect(buckets.width(at: index) == histogram.sizeOfEquivalentRangeForValue(value))
    }

    @Test("a range that no histogram can have is none")
    func impossible() {
        #expect(HistogramBuckets(lowest: 0, highest: 100, digits: 3) == nil)
        #expect(HistogramBuckets(lowest: 100, highest: 150, digits: 3) == nil)
        #expect(HistogramBuckets(lowest: 1, highest: 100, digits: 0) == nil)
        #expect(HistogramBuckets(lowest: 1, highest: 100, digits: 6) == nil)
        #expect(HistogramBuckets(lowest: 1, highest: .max, digits: 3) == nil)
        #expect(HistogramBuckets(lowest: 1 << 60, highest: 1 << 62, digits: 5) == nil)
    }
}
