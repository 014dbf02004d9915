// Connecting over time: how many there were, and how fast they came.

import ConnectionBench

struct RampSection {
    private let candidates: [Candidate]
    private let curves: [RampCurve]

    init(_ candidates: [Candidate]) {
        self.candidates = candidates
        curves = candidates.map { RampCurve($0.typical.ramp) }
    }

    /// More would be finer than what a screen shows.
    private static let pointsMax = 60

    var section: SectionModel? {
        let charts = [("ramp-rate", rate), ("ramp-connections", connections)]
        var section = SectionModel(anchor: "ramp", heading: "Connecting over time")
        section.figures = charts.filter { !$0.1.isEmpty }.map { FigureModel($0.1, key: $0.0) }
        guard !section.figures.isEmpty else { return nil }
        section.paragraphs = [explanation]
        if !parts.isEmpty { section.paragraphs.append(parts.joined(separator: " ")) }
        if let table = governor { section.tables = [table] }
        return section
    }

    private var explanation: String {
        var text =
            "Time is the time spent connecting: the pauses for measuring between the steps are left"
            + " out."
        if candidates.contains(where: { $0.runs.count > 1 }) {
            text += " Of several runs the middle one is shown."
        }
        if candidates.contains(where: { !Self.whileConnecting($0.typical).isEmpty }) {
            text +=
                " Dashed lines show where the governor, which protects the host, changed the pace."
        }
        return text
    }

    private var parts: [String] {
        candidates.compactMap { candidate in
            guard let ramp = candidate.typical.ramp, let first = ramp.firstPartPerSecond,
                let last = ramp.lastPartPerSecond, let ratio = ramp.lastToFirstRatio,
                ratio.isFinite
            else { return nil }
            return "\(candidate.name): \(NumberText.whole(first)) connects/s for the first"
                + " \(Count.format(ramp.partConnections)), \(NumberText.whole(last))/s for the last"
                + " (\(NumberText.whole(100 * ratio)) %)."
        }
    }

    private var rate: LineChart {
        let longest = curves.map(\.seconds).max() ?? 0
        let series = zip(candidates, curves).map { candidate, curve in
            let points = curve.rates(count: Self.pointsMax).map { bucket in
                LineChart.Point(
                    x: (bucket.from + bucket.to) / 2, y: bucket.perSecond,
                    tip: "\(NumberText.whole(bucket.perSecond)) connects/s"
                        + "\n\(NumberText.decimal(bucket.from, places: 2)) to"
                        + " \(NumberText.decimal(bucket.to, places: 2)) s, \(candidate.name)")
            }
            return LineChart.Series(name: candidate.name, style: candidate.style, points: points)
        }
        return LineChart(
            title: "Connect rate over time",
            description: "Connects per second while the connections were made. "
                + parts.joined(separator: " "),
            xAxis: Axis(
                title: "time spent connecting", format: .seconds, fit: .fromZeroTight,
                includes: [longest]),
            yAxis: Axis(title: "connects per second", format: .count),
            series: series, marks: marks)
    }

    private var connections: LineChart {
        let series = zip(candidates, curves).map { candidate, curve in
            let points = curve.thinned(to: Self.pointsMax).map { point in
                LineChart.Point(
                    x: point.seconds, y: Double(point.connections),
                    tip: "\(Count.format(point.connections)) connections"
                        + "\nafter \(NumberText.decimal(point.seconds, places: 2)) s,"
                        + " \(candidate.name)")
            }
            return LineChart.Series(name: candidate.name, style: candidate.style, points: points)
        }
        let ends = zip(candidates, curves).compactMap { candidate, curve in
            curve.points.last.map {
                "\(candidate.name): \(Count.format($0.connections)) after"
                    + " \(NumberText.decimal($0.seconds, places: 2)) s"
            }
        }
        return LineChart(
            title: "Connections over time",
            description: "Connections that existed. At the end: " + ends.joined(separator: "; ")
                + ".",
            xAxis: Axis(title: "time spent connecting", format: .seconds, fit: .fromZeroTight),
            yAxis: Axis(title: "connections", format: .count),
            series: series, marks: marks)
    }

    /// More lines than that would hide the curve; the table has them all.
    private static let marksMax = 8

    /// Changes that came before the most connections were reached: the later ones, while they are
    /// held or closed, have no place on the curve of the connecting.
    static func whileConnecting(_ run: RunResult) -> [GovernorTransition] {
        let most = run.steps.map(\.connections).max() ?? 0
        let peak = run.samples.first { $0.connections >= most }?.seconds ?? .infinity
        var kept: [GovernorTransition] = []
        for transition in run.governor where transition.seconds <= peak {
            if let last = kept.last, transition.connections < last.connections { break }
            kept.append(transition)
        }
        return kept
    }

    private var marks: [LineChart.Mark] {
        zip(candidates, curves).flatMap { candidate, curve in
            Self.whileConnecting(candidate.typical).prefix(Self.marksMax).map { transition in
                LineChart.Mark(
                    x: curve.seconds(at: Double(transition.connections)), label: transition.to,
                    tip: "governor: \(transition.from) to \(transition.to)"
                        + "\nat \(Count.format(transition.connections)) connections,"
                        + " \(candidate.name)\n\(transition.text)")
            }
        }
    }

    private var governor: TableModel? {
        let rows = candidates.flatMap { candidate in
            candidate.typical.governor.map { transition in
                RowModel(cells: [
                    .name(candidate.name),
                    .number(NumberText.oneDecimal(transition.seconds) + " s"),
                    .number(Count.format(transition.connections)),
                    .text("\(transition.from) to \(transition.to)"), .text(transition.text),
                ])
            }
        }
        guard !rows.isEmpty else { return nil }
        return TableModel(
            tableTitle: "The governor's changes of pace, in seconds of the whole run",
            isFolded: rows.count > 8,
            head: [
                .text("result"), .number("at"), .number("connections"), .text("level"),
                .text("why"),
            ], rows: rows)
    }
}
