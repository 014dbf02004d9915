// Candidates that were measured in turns, side by side: medians, intervals, verdicts.

import ConnectionBench

struct ComparisonSection {
    private let set: RunSet
    private let candidates: [Candidate]
    private let number: Int
    /// The largest step that all candidates have.
    private let connections: Int

    init(_ set: RunSet, _ candidates: [Candidate], number: Int) {
        self.set = set
        self.candidates = candidates
        self.number = number
        let steps = set.candidates.map { name in
            Set(set.runs(of: name).flatMap { $0.steps.filter(\.verified).map(\.connections) })
        }.filter { !$0.isEmpty }
        let common = steps.dropFirst().reduce(steps.first ?? []) { $0.intersection($1) }
        connections = common.max() ?? 0
    }

    private static let metrics: [Metric] = [
        .p50, .p99, .p999, .connectRate, .echoRate, .serverCPU, .clientCPU, .kernelBytes,
        .userBytes,
    ]

    var section: SectionModel? {
        guard !set.runs.isEmpty else { return nil }
        var section = SectionModel(
            anchor: "side-by-side-\(number)", heading: "Side by side", gridStyle: "panels")
        if connections > 0 {
            section.figures = Self.metrics.compactMap { metric in
                let chart = chart(metric)
                return chart.isEmpty
                    ? nil : FigureModel(chart, key: "side-\(number)-\(metric.rawValue)")
            }
        }
        section.paragraphs = explanation
        section.tables = set.comparisons.map { table($0) }
        section.tables += set.comparisons.compactMap { unlike($0) }
        return section
    }

    private var explanation: [String] {
        var paragraphs: [String] = []
        if connections > 0 {
            let reference = Candidate.name(ofSet: set.candidates.first ?? "")
            paragraphs.append(
                "At \(Count.format(connections)) connections, the largest step that all have. Dots"
                    + " are medians of the runs, thick lines their 95 % intervals, small ticks the"
                    + " single runs. A ratio is against \(reference);"
                    + " a verdict needs more than the noise between runs."
            )
        } else {
            paragraphs.append("The candidates have no verified step in common.")
        }
        let reservations = set.comparisons.flatMap(\.reservations)
        var said: Set<String> = []
        paragraphs += reservations.filter { said.insert($0).inserted }
            .map { "Reservation: \(Headline.withStop($0))" }
        return paragraphs
    }

    // MARK: Panels

    private func chart(_ metric: Metric) -> DotChart {
        let format = ComparisonWords.format(metric)
        let rows = set.candidates.compactMap { row($0, metric, format) }
        return DotChart(
            title: metric.title,
            subtitle: "\(metric.prefersLarger ? "more" : "less") is better",
            description: rows.map { "\($0.name): \($0.label), \($0.verdict)" }
                .joined(separator: "; ") + ".",
            format: format, rows: rows)
    }

    private func row(_ name: String, _ metric: Metric, _ format: Axis.Format) -> DotChart.Row? {
        let values = set.runs(of: name).compactMap { run in
            run.steps.last { $0.connections == connections }.flatMap { metric.value(of: $0) }
        }
        let summary = summary(name, metric)
        let samples = Samples(values)
        guard let median = summary?.median ?? samples.median, median.isFinite else { return nil }
        var interval: ClosedRange<Double>?
        if let summary, summary.low.isFinite, summary.high.isFinite, summary.low <= summary.high {
            interval = summary.low...summary.high
        }
        let isReference = name == set.candidates.first
        let cell = set.comparisons.first { $0.base == set.candidates.first && $0.new == name }?
            .cell(metric, at: connections)
        var verdict = isReference ? "reference" : "not compared"
        if let cell {
            let ratio = cell.ratio.map { "×\(NumberText.decimal($0.value, places: 2)) " } ?? ""
            verdict = ratio + ComparisonWords.verdict(cell.verdict, metric)
        }
        let title = Candidate.name(ofSet: name)
        var tip = "\(format.text(median)) in the median\n\(title), \(samples.values.count) runs"
        if let interval {
            tip +=
                "\n95 % interval \(format.text(interval.lowerBound)) to"
                + " \(format.text(interval.upperBound))"
        }
        if let cell { tip += "\n\(verdict): \(cell.reason)" }
        return DotChart.Row(
            name: title, style: candidates.first { $0.name.hasSuffix(title) }?.style ?? 3,
            value: median, interval: interval, runs: samples.values,
            label: format.text(median), verdict: verdict, tip: tip)
    }

    /// The statistics' own figures, where a comparison has them.
    private func summary(_ name: String, _ metric: Metric) -> SampleSummary? {
        for comparison in set.comparisons {
            guard let cell = comparison.cell(metric, at: connections) else { continue }
            if comparison.base == name { return cell.base }
            if comparison.new == name { return cell.new }
        }
        return nil
    }

    // MARK: Tables

    private func table(_ comparison: Comparison) -> TableModel {
        let base = Candidate.name(ofSet: comparison.base)
        let new = Candidate.name(ofSet: comparison.new)
        let ratios = comparison.cells.compactMap(\.ratio)
        let scale = RatioPlot.scale(ratios)
        var lastMetric: Metric?
        let rows = comparison.cells.sorted {
            (order($0.metric), $0.connections) < (order($1.metric), $1.connections)
        }.map { cell in
            let format = ComparisonWords.format(cell.metric)
            let begins = cell.metric != lastMetric
            lastMetric = cell.metric
            let step = cell.connections == 0 ? "whole run" : Count.format(cell.connections)
            return RowModel(
                rowStyle: begins ? "begins" : "",
                cells: [
                    .name(cell.metric.title), .number(step),
                    .text(ComparisonWords.verdict(cell.verdict, cell.metric)),
                    plot(cell, scale), .number(ComparisonWords.ratio(cell.ratio)),
                    .number(summary(cell.base, format)), .number(summary(cell.new, format)),
                    .number(
                        cell.smallestResolvable.map { NumberText.oneDecimal(100 * $0) + " %" }
                            ?? NumberText.missing),
                    .number(
                        cell.runsForFivePercent.map { Count.format($0) } ?? NumberText.missing),
                    CellModel(text: cell.reason, cellStyle: "long"),
                ])
        }
        return TableModel(
            tableTitle: "\(new) against \(base): every figure at every step"
                + " (median and 95 % interval; the ratio's line is at 1)",
            isFolded: true,
            head: [
                .text("figure"), .number("connections"), .text("verdict"), .text("ratio"),
                .number(""), .number(base), .number(new), .number("could resolve"),
                .number("runs for 5 %"), .text("why"),
            ], rows: rows)
    }

    private func order(_ metric: Metric) -> Int {
        Metric.allCases.firstIndex(of: metric) ?? 0
    }

    private func summary(_ summary: SampleSummary, _ format: Axis.Format) -> String {
        "\(format.text(summary.median)) (\(format.text(summary.low)) to"
            + " \(format.text(summary.high)))"
    }

    private func plot(_ cell: ComparedCell, _ scale: Scale) -> CellModel {
        let drawing = cell.ratio.map { RatioPlot.drawing($0, cell.verdict, scale) } ?? ""
        return CellModel(text: "", cellStyle: "plot", cellSVG: drawing)
    }

    private func unlike(_ comparison: Comparison) -> TableModel? {
        guard !comparison.unlike.isEmpty else { return nil }
        return TableModel(
            tableTitle: "What was unlike between \(comparison.base) and \(comparison.new)",
            head: [.text("fact"), .text(comparison.base), .text(comparison.new)],
            rows: comparison.unlike.map {
                RowModel(cells: [.name($0.name), .text($0.base), .text($0.new)])
            })
    }
}
