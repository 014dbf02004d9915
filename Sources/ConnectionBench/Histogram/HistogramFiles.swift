// HdrHistogram's two kinds of files: a log of intervals, and a percentile distribution.

/// `.hlog`: each histogram of a run in a line, with when it was recorded. Read by the log processors
/// of HdrHistogram and by its viewers.
struct HistogramLog {
    private let result: RunResult
    /// Before the kind in each tag, for several runs in one log.
    private let prefix: String

    init(_ result: RunResult, tagPrefix: String = "") {
        self.result = result
        prefix = tagPrefix
    }

    var text: String { (head + lines).joined(separator: "\n") + "\n" }

    /// What comes before all lines.
    var head: [String] {
        let epoch = WallClock.seconds(of: result.startedAt) ?? 0
        return [
            "#[uring-bench \(result.tool.version): latencies in nanoseconds, one line for each step,"
                + " tags connect and echo]",
            "#[Histogram log format version 1.3]",
            "#[StartTime: \(epoch).000 (seconds since epoch), \(result.startedAt)]",
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
                + "\"Interval_Compressed_Histogram\"",
        ]
    }

    /// Ramp and probe of each step, in the order of time.
    var lines: [String] {
        result.steps.flatMap { step in
            [
                line(
                    "connect", step.connectHistogram, at: step.rampStartSeconds,
                    seconds: step.rampSeconds, max: step.connectLatency.maxNanoseconds),
                step.probe.flatMap {
                    line(
                        "echo", $0.histogram, at: $0.startSeconds, seconds: $0.seconds,
                        max: $0.latency.maxNanoseconds)
                },
            ].compactMap { $0 }
        }
    }

    private func line(
        _ kind: String, _ histogram: String?, at start: Double?, seconds: Double, max: UInt64
    ) -> String? {
        guard let histogram, let start else { return nil }
        let figures = [start, seconds, Double(max) / 1e6].map { FixedText.of($0, places: 3) }
        return "Tag=\(prefix)\(kind),\(figures.joined(separator: ",")),\(histogram)"
    }
}

/// `.hgrm`: percentiles of one histogram in milliseconds, ever finer towards the maximum.
struct PercentileDistribution {
    private let histogram: LatencyHistogram

    init(_ histogram: LatencyHistogram) {
        self.histogram = histogram
    }

    var text: String {
        var lines = [row("Value", "Percentile", "TotalCount", "1/(1-Percentile)"), ""]
        for point in histogram.percentilePoints() {
            let part = point.percentile / 100
            lines.append(
                row(
                    FixedText.of(Double(point.nanoseconds) / 1e6, places: 3),
                    FixedText.of(part, places: 12), "\(point.count)",
                    part < 1 ? FixedText.of(1 / (1 - part), places: 2) : nil))
        }
        func figure(_ nanoseconds: Double) -> String {
            TextLayout.padLeft(FixedText.of(nanoseconds / 1e6, places: 3), 12)
        }
        func number(_ count: some BinaryInteger) -> String { TextLayout.padLeft("\(count)", 12) }
        let buckets = LatencyHistogram.buckets
        lines += [
            "#[Mean    = \(figure(histogram.mean)),"
                + " StdDeviation   = \(figure(histogram.standardDeviation))]",
            "#[Max     = \(figure(Double(histogram.summary.maxNanoseconds))),"
                + " Total count    = \(number(histogram.count))]",
            "#[Buckets = \(number(buckets.bucketCount)),"
                + " SubBuckets     = \(number(buckets.subBucketCount))]",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    private func row(
        _ value: String, _ percentile: String, _ count: String, _ inverse: String?
    ) -> String {
        let cells =
            [(value, 12), (percentile, 14), (count, 10)] + (inverse.map { [($0, 14)] } ?? [])
        return cells.map { TextLayout.padLeft($0.0, $0.1) }.joined(separator: " ")
    }
}

/// Numbers for programs: without separators.
enum FixedText {
    /// A whole number is written as one.
    static func shortest(_ value: Double) -> String {
        value == value.rounded() && value.magnitude < 1e15 ? "\(Int(value))" : "\(value)"
    }

    /// With a fixed count of decimal places.
    static func of(_ value: Double, places: Int) -> String {
        guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
        let scale = (0..<places).reduce(1.0) { product, _ in product * 10 }
        let scaled = (value.magnitude * scale).rounded()
        // Beyond 2^63 a double has no decimal places anyway.
        guard scaled < 9e18 else { return "\(value)" }
        let digits = "\(UInt64(scaled))"
        let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
        let sign = value < 0 && scaled > 0 ? "-" : ""
        return places == 0
            ? sign + padded
            : "\(sign)\(padded.dropLast(places)).\(padded.suffix(places))"
    }
}
