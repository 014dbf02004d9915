// Latencies on their way through histograms: nothing is lost, nothing is averaged.

import Testing

@testable import ConnectionBench

@Suite struct LatencyHistogramTests {
    @Test("values are kept to a thousandth")
    func resolution() {
        for value: UInt64 in [1_000, 123_456, 7_654_321, 1_234_567_890, 119_000_000_000] {
            var histogram = LatencyHistogram()
            histogram.record(value)
            let found = histogram.summary.p50Nanoseconds
            #expect(abs(Double(found) - Double(value)) <= max(Double(value) / 1_000, 256))
        }
    }

    @Test("values above the range count as the highest one, also after a merge")
    func highest() {
        var histogram = LatencyHistogram()
        histogram.record(.max)
        histogram.record(LatencyHistogram.highest)
        #expect(histogram.count == 2)
        var merged = LatencyHistogram()
        merged.add(histogram.sparse)
        #expect(merged.count == 2)
        #expect(merged.summary.maxNanoseconds >= LatencyHistogram.highest)
    }

    @Test("a merge of sparse histograms is the histogram of all values")
    func merge() {
        var all = LatencyHistogram()
        var parts = [LatencyHistogram(), LatencyHistogram(), LatencyHistogram()]
        var value: UInt64 = 12_345
        for index in 0..<10_000 {
            // A linear congruential generator: the same values in each run.
            value = value &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let latency = (value >> 33) % 50_000_000
            all.record(latency)
            parts[index % 3].record(latency)
        }
        var merged = LatencyHistogram()
        for part in parts { merged.add(part.sparse) }
        #expect(merged.count == 10_000)
        #expect(merged.sparse.values == all.sparse.values)
        #expect(merged.sparse.counts == all.sparse.counts)
        #expect(merged.summary.p50Nanoseconds == all.summary.p50Nanoseconds)
        // The largest value itself is known in one process only.
        let highest = (merged.summary.p9999Nanoseconds, all.summary.p9999Nanoseconds)
        #expect(abs(Double(highest.0) / Double(highest.1) - 1) < 0.001)
    }

    @Test("a percentile of a merge is not the average of percentiles")
    func percentiles() {
        var fast = LatencyHistogram()
        var slow = LatencyHistogram()
        for _ in 0..<990 { fast.record(1_000_000) }
        for _ in 0..<10 { slow.record(100_000_000) }
        var merged = LatencyHistogram()
        merged.add(fast.sparse)
        merged.add(slow.sparse)
        let summary = merged.summary
        #expect(summary.count == 1_000)
        #expect(summary.p50Nanoseconds < 1_100_000)
        #expect(summary.p99Nanoseconds < 1_100_000)
        #expect(summary.p999Nanoseconds > 99_000_000)
        #expect(abs(Int(summary.meanNanoseconds) - 1_990_000) < 10_000)
    }

    @Test("an empty histogram says nothing but zeroes")
    func empty() {
        var histogram = LatencyHistogram()
        #expect(histogram.summary == LatencySummary())
        histogram.add(SparseHistogram())
        histogram.record(5_000)
        histogram.reset()
        #expect(histogram.summary == LatencySummary() && histogram.sparse.values.isEmpty)
    }
}
