// A result in each of the forms that other programs read.

public enum ResultText {
    /// One JSON object per line: start, samples and steps by time, warnings, end.
    public static func ndjson(_ result: RunResult) throws -> String {
        try ResultLines(result).text()
    }

    /// One figure per row, with the columns of ``LongTable``.
    public static func csv(_ result: RunResult) -> String { LongTable(result).text }

    /// HdrHistogram's log of intervals: connects and echoes of each step.
    public static func histogramLog(_ result: RunResult) -> String { HistogramLog(result).text }

    /// HdrHistogram's percentile distribution of the last step's echoes, in milliseconds.
    ///
    /// Without any echo it has a heading and no row.
    public static func percentiles(_ result: RunResult) throws -> String {
        let last = result.steps.last { $0.probe?.histogram != nil }?.probe?.histogram
        let histogram = try last.map { text throws(HistogramTextError) in
            try LatencyHistogram(base64: text)
        }
        return PercentileDistribution(histogram ?? LatencyHistogram()).text
    }

    /// Metrics for node_exporter's textfile collector.
    public static func prometheus(_ result: RunResult) -> String {
        MetricsText.prometheus(RunMetrics.families(result))
    }

    public static func markdown(_ result: RunResult) -> String { ResultMarkdown(result).text }
}
