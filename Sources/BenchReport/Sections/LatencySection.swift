// Latency against the number of connections.

import ConnectionBench

struct LatencySection {
    private let candidates: [Candidate]

    init(_ candidates: [Candidate]) {
        self.candidates = candidates
    }

    private static let percentiles: [(metric: Metric, name: String)] = [
        (.p50, "p50"), (.p99, "p99"), (.p999, "p99.9"),
    ]

    var section: SectionModel? {
        var section = SectionModel(anchor: "latency", heading: "Latency against connections")
        var charts = candidates.count == 1 ? [together(candidates[0])] : apart
        if let chart = PercentileChart(candidates).chart {
            charts.append(("latency-percentiles", chart))
        }
        let drawn = charts.filter { !$0.chart.isEmpty }
        guard !drawn.isEmpty else {
            section.paragraphs = ["Latency was not measured: no step of these results has a probe."]
            return section
        }
        section.paragraphs = [explanation] + candidates.compactMap { ends($0) }
        section.figures = drawn.map { key, chart in
            FigureModel(
                chart, key: key, note: key == "latency-percentiles" ? percentileNote : note)
        }
        if drawn.count > 2 { section.gridStyle = "panels" }
        return section
    }

    private var explanation: String {
        let rates = candidates.flatMap(\.runs).flatMap { $0.steps.compactMap(\.probe) }
            .map(\.offeredPerSecond).filter { $0.isFinite && $0 > 0 }
        guard !rates.isEmpty else {
            return "Time from when a request was sent to its whole answer, in a closed loop: a"
                + " connection sends its next request when the answer has come, so what would have"
                + " waited meanwhile is in no figure. Both axes are logarithmic."
        }
        let least = NumberText.whole(rates.min() ?? 0)
        let most = NumberText.whole(rates.max() ?? 0)
        let rate = least == most ? least : "\(least) to \(most)"
        return
            "Time from when a request was due to its whole answer, at \(rate) requests/s over all"
            + " connections together. Both axes are logarithmic. Late and missing answers count, so"
            + " no wait is left out."
    }

    /// The figures at the largest step, in words.
    private func ends(_ candidate: Candidate) -> String? {
        let last = candidate.steps.last { connections in
            candidate.records(at: connections).contains { $0.probe != nil }
        }
        guard let last else { return nil }
        let figures = Self.percentiles.compactMap { percentile -> String? in
            let values = candidate.records(at: last).compactMap { percentile.metric.value(of: $0) }
            return Samples(values).median.map {
                "\(percentile.name) \(NumberText.duration(nanoseconds: $0))"
            }
        }
        guard !figures.isEmpty else { return nil }
        let which = candidate.runs.count > 1 ? " in the median run" : ""
        return "\(candidate.name) at \(Count.format(last)) connections:"
            + " \(figures.joined(separator: ", "))\(which)."
    }

    private var hasSeveralRuns: Bool { candidates.contains { $0.runs.count > 1 } }

    private static let bands =
        "Lines: median of the runs. Bands: from the lowest run to the highest."

    private var percentileNote: String {
        PercentileChart.note + (hasSeveralRuns ? " " + Self.bands : "")
    }

    private var note: String? {
        var notes = hasSeveralRuns ? [Self.bands] : []
        let steps = candidates.flatMap(\.runs).flatMap(\.steps)
        let without = steps.count { $0.probe == nil }
        if without > 0 {
            notes.append("\(without) of \(steps.count) steps have no probe and are not drawn.")
        }
        return notes.isEmpty ? nil : notes.joined(separator: " ")
    }

    private typealias Keyed = (key: String, chart: LineChart)

    private func together(_ candidate: Candidate) -> Keyed {
        let series = Self.percentiles.enumerated().map { index, percentile in
            Self.series(
                candidate, percentile.metric, name: percentile.name, style: index, dash: index)
        }
        return ("latency", chart("Echo latency, \(candidate.name)", series, includes: []))
    }

    /// One panel for each percentile, all with the same axes.
    private var apart: [Keyed] {
        let panels = Self.percentiles.map { percentile in
            candidates.map {
                Self.series($0, percentile.metric, name: $0.name, style: $0.style, dash: 0)
            }
        }
        let all = panels.flatMap { $0.flatMap { $0.points.map(\.y) } }
        let ends = [all.min(), all.max()].compactMap(\.self)
        return zip(Self.percentiles, panels).map { percentile, series in
            (
                "latency-\(percentile.metric.rawValue)",
                chart("\(percentile.name) of echoes", series, includes: ends)
            )
        }
    }

    private func chart(
        _ title: String, _ series: [LineChart.Series], includes: [Double]
    ) -> LineChart {
        let ends = series.compactMap { line in
            line.points.last.map {
                "\(line.name) \(NumberText.duration(nanoseconds: $0.y)) at"
                    + " \(NumberText.whole($0.x)) connections"
            }
        }
        return LineChart(
            title: title,
            description: "Latency over connections, both logarithmic. At the end: "
                + ends.joined(separator: "; ") + ".",
            xAxis: Axis(
                title: "connections", format: .count, kind: .log, fit: .tight,
                labelled: Array(Set(series.flatMap { $0.points.map(\.x) }))),
            yAxis: Axis(
                title: "latency", format: .duration, kind: .log, fit: .round, includes: includes),
            series: series)
    }

    private static func series(
        _ candidate: Candidate, _ metric: Metric, name: String, style: Int, dash: Int
    ) -> LineChart.Series {
        let points = candidate.steps.compactMap { connections -> LineChart.Point? in
            let samples = Samples(
                candidate.records(at: connections).compactMap { metric.value(of: $0) })
            guard let median = samples.median else { return nil }
            var tip = "\(metric.title) \(NumberText.duration(nanoseconds: median))"
            tip += "\n\(Count.format(connections)) connections, \(candidate.name)"
            tip += samples.durationsText.map { "\n\($0)" } ?? ""
            return LineChart.Point(x: Double(connections), y: median, band: samples.range, tip: tip)
        }
        return LineChart.Series(name: name, style: style, dash: dash, points: points)
    }
}
