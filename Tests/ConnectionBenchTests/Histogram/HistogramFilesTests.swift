// HdrHistogram's files as its own readers see them.

import Testing

@testable import ConnectionBench

@Suite struct HistogramFilesTests {
    @Test("a percentile distribution ends at the maximum, with a summary")
    func distribution() throws {
        var histogram = LatencyHistogram()
        for value: UInt64 in 1...1_000 { histogram.record(value * 1_000_000) }
        let text = PercentileDistribution(histogram).text
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        #expect(lines[0] == "       Value     Percentile TotalCount 1/(1-Percentile)")
        #expect(lines[1] == "")
        #expect(lines[2] == "       1.000 0.000000000000          1           1.00")
        let last = try #require(lines.last { $0.contains("1.000000000000") })
        #expect(last.hasPrefix("    1000.342 1.000000000000       1000"))
        #expect(text.contains("#[Mean    =      500.5"))
        #expect(text.contains("#[Max     =     1000.342, Total count    =         1000]"))
        #expect(text.hasSuffix("SubBuckets     =         2048]\n"))
    }

    @Test("a count beyond 31 bits is not cut off, as that of the package is")
    func largeCount() {
        let many: UInt64 = 5_000_000_000
        var histogram = LatencyHistogram()
        histogram.add(SparseHistogram(values: [1_000_000], counts: [many]))
        let text = PercentileDistribution(histogram).text
        #expect(text.contains("1.000000000000 5000000000\n"))
        #expect(text.contains("Total count    =   5000000000]"))
    }

    @Test("without values there is a heading, and no row")
    func empty() {
        let text = PercentileDistribution(LatencyHistogram()).text
        #expect(text.hasPrefix("       Value") && text.contains("Total count    =            0]"))
    }

    @Test(
        "decimals are exact, also below one and for negative numbers",
        arguments: [
            (0.0, 3, "0.000"), (0.0004, 3, "0.000"), (-0.0004, 3, "0.000"), (0.0005, 3, "0.001"),
            (1.5, 0, "2"), (-1.25, 1, "-1.3"), (12_345.678, 2, "12345.68"), (1e18, 3, "1e+18"),
            (.infinity, 2, "inf"), (.nan, 2, "nan"),
        ])
    func fixed(value: Double, places: Int, text: String) {
        #expect(FixedText.of(value, places: places) == text)
    }

    @Test("a calendar time is the seconds since 1970, and anything else is none")
    func calendar() {
        #expect(WallClock.seconds(of: "1970-01-02T00:00:01Z") == 86_401)
        #expect(WallClock.seconds(of: "2026-11-26T12:46:00Z") == 1_795_697_160)
        #expect(WallClock.seconds(of: "yesterday") == nil)
        #expect(WallClock.seconds(of: WallClock.now) != nil)
    }

    @Test(
        "the log opens in PyPI's hdrhistogram, with its tags, times and percentiles",
        .enabled(if: Python.isReady, Python.missing))
    func log() throws {
        let folder = try FixtureDirectory()
        let result = MadeUpResult.complete
        try folder.add("/run.hlog", HistogramLog(result).text)
        let program = """
            import sys
            from hdrh.histogram import HdrHistogram
            from hdrh.log import HistogramLogReader
            reader = HistogramLogReader(sys.argv[1], HdrHistogram(256, 120000000000, 3))
            while True:
                h = reader.get_next_interval_histogram()
                if h is None: break
                print(h.get_tag(), round(h.get_start_time_stamp()), round(h.get_end_time_stamp()),
                    h.get_total_count(), h.get_value_at_percentile(50),
                    h.get_value_at_percentile(99), h.get_max_value())
            """
        let lines = try Python.output(program, [folder.path + "/run.hlog"]).split(separator: "\n")
        let step = try #require(result.steps.first)
        let probe = try #require(step.probe)
        func line(_ tag: String, _ start: Int, _ end: Int, _ latency: LatencySummary) -> String {
            "\(tag) \(start) \(end) \(latency.count) \(latency.p50Nanoseconds)"
                + " \(latency.p99Nanoseconds) \(latency.maxNanoseconds)"
        }
        // 2026-11-26T12:46:00Z and the run's own seconds.
        let epoch = 1_795_697_160_000
        #expect(
            lines.map(String.init) == [
                line("connect", epoch + 500, epoch + 750, step.connectLatency),
                line("echo", epoch + 1_000, epoch + 3_000, probe.latency),
            ])
    }
}
