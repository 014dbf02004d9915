// Latency by percentile at one step: how long the tail is.

import ConnectionBench

/// The percentiles that a result keeps, on the usual axis, which gives each further nine the same
/// length.
struct PercentileChart {
    private let candidates: [Candidate]
    /// The largest step at which all candidates were probed; `nil`: there is none.
    let connections: Int?

    init(_ candidates: [Candidate]) {
        self.candidates = candidates
        let steps = candidates.map { candidate in
            Set(
                candidate.runs.flatMap { run in
                    run.steps.filter { ($0.probe?.latency.count ?? 0) > 0 }.map(\.connections)
                })
        }
        let common = steps.dropFirst().reduce(steps.first ?? []) { $0.intersection($1) }
        connections = common.max()
    }

    private static let percentiles:
        [(oneIn: Double, path: KeyPath<LatencySummary, UInt64> & Sendable)] = [
            (2, \.p50Nanoseconds), (10, \.p90Nanoseconds), (100, \.p99Nanoseconds),
            (1_000, \.p999Nanoseconds), (10_000, \.p9999Nanoseconds),
        ]

    static let note = "Lines join the percentiles that a result keeps."

    var chart: LineChart? {
        guard let connections else { return nil }
        let series = candidates.map { candidate in
            LineChart.Series(
                name: candidate.name, style: candidate.style,
                points: Self.points(candidate, at: connections))
        }
        let ends = series.compactMap { line in
            line.points.last.map {
                "\(line.name) \(Axis.Format.percentile.text($0.x))"
                    + " \(NumberText.duration(nanoseconds: $0.y))"
            }
        }
        return LineChart(
            title: "Percentiles at \(Count.format(connections)) connections",
            description: "Latency, logarithmic, over percentiles, each further nine of the same"
                + " length. At the end: \(ends.joined(separator: "; ")).",
            xAxis: Axis(
                title: "answered within", format: .percentile, kind: .log, fit: .tight,
                labelled: Array(Set(series.flatMap { $0.points.map(\.x) }))),
            yAxis: Axis(title: "latency", format: .duration, kind: .log, fit: .round),
            series: series)
    }

    /// Without the percentiles beyond which not even one request lies: they are the largest value
    /// under another name.
    static func points(_ candidate: Candidate, at connections: Int) -> [LineChart.Point] {
        let summaries = candidate.records(at: connections).compactMap { $0.probe?.latency }
        return percentiles.compactMap { oneIn, path in
            let told = summaries.filter { Double($0.count) >= oneIn }
            let samples = Samples(told.map { Double($0[keyPath: path]) })
            guard let median = samples.median else { return nil }
            var tip = "\(NumberText.duration(nanoseconds: median))"
            tip += "\n\(Axis.Format.percentile.text(oneIn)) of answers within, \(candidate.name)"
            tip += samples.durationsText.map { "\n\($0)" } ?? ""
            return LineChart.Point(x: oneIn, y: median, band: samples.range, tip: tip)
        }
    }
}
