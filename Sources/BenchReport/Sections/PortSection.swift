// What a connect costs as the source ports run out, for each way to choose them.

import ConnectionBench

struct PortSection {
    struct Story {
        var name: String
        var result: PortStoryResult
    }

    private let stories: [Story]

    init(_ stories: [Story]) {
        self.stories = stories
    }

    var section: SectionModel {
        var section = SectionModel(
            anchor: "ports", heading: "What a connect costs as the source ports run out")
        section.paragraphs = stories.flatMap { story in
            // The first is the headline.
            let sentences = PortStoryFindings(story.result).sentences.dropFirst()
            let omitted = story.result.omitted.map {
                "\($0.strategy.rawValue): left out, \($0.reason)"
            }
            return (sentences + omitted).map { sentence in
                stories.count == 1 ? sentence : "\(story.name), \(sentence)"
            }
        }
        section.figures = stories.enumerated().flatMap { index, story in
            figures(story, suffix: stories.count == 1 ? "" : "-\(index)")
        }
        section.tables = stories.map { table($0) }
        return section
    }

    private func figures(_ story: Story, suffix: String) -> [FigureModel] {
        let plan = story.result.plan
        let note =
            "\(Count.format(plan.ports)) source ports (\(plan.portFirst) to \(plan.portLast)) of"
            + " one address to one destination, each way in a network namespace of its own. Each"
            + " point is the stretch of connects that fills the range up to it."
        let charts: [(key: String, chart: LineChart)] = [
            (
                "ports-cost",
                chart(
                    story, "Processor time of one connect, by ports in use",
                    Axis(
                        title: "processor time", format: .microseconds, kind: .log,
                        fit: .round)
                ) { $0.processorMicrosecondsPerConnect }
            ),
            (
                "ports-rate",
                chart(
                    story, "Connects per second, by ports in use",
                    Axis(title: "connects per second", format: .count, kind: .log, fit: .round)
                ) { $0.connectsPerSecond }
            ),
        ]
        return charts.filter { !$0.chart.isEmpty }.map {
            FigureModel($0.chart, key: $0.key + suffix, note: note)
        }
    }

    private func chart(
        _ story: Story, _ title: String, _ axis: Axis,
        _ value: (PortClimbResult.Point) -> Double
    ) -> LineChart {
        let series = story.result.strategies.map { climb in
            LineChart.Series(
                name: climb.strategy.rawValue, style: Self.style(climb.strategy),
                dash: climb.strategy == .bindNoPort ? 1 : climb.strategy == .localRange ? 2 : 0,
                points: climb.points.map { point in
                    LineChart.Point(
                        x: point.occupancyPercent, y: value(point),
                        tip: Self.tip(point, climb, axis.format.text(value(point)), axis.title))
                })
        }
        let ends = series.compactMap { line in
            line.points.last.map { "\(line.name) \(axis.format.text($0.y))" }
        }
        return LineChart(
            title: title,
            description: "By the part of the source ports in use, logarithmic. At the end: "
                + ends.joined(separator: "; ") + ".",
            xAxis: Axis(
                title: "source ports in use", format: .percent, fit: .fromZero, includes: [100]),
            yAxis: axis, series: series)
    }

    private static func tip(
        _ point: PortClimbResult.Point, _ climb: PortClimbResult, _ value: String, _ unit: String
    ) -> String {
        func duration(_ nanoseconds: UInt64) -> String {
            NumberText.duration(nanoseconds: Double(nanoseconds))
        }
        return "\(unit): \(value)\n\(climb.strategy.rawValue), up to"
            + " \(Axis.Format.percent.text(point.occupancyPercent)) of the ports"
            + "\nmedian \(duration(point.medianNanoseconds)), p99 \(duration(point.p99Nanoseconds))"
            + (point.isWhole ? "" : "\ncut off within this stretch")
    }

    /// The kernel's own choice is the one to look at; the plan of the tool has the tool's colour.
    private static func style(_ strategy: PortStrategy) -> Int {
        switch strategy {
        case .kernel: 1
        case .bindNoPort: 3
        case .localRange: 2
        case .planner: 0
        }
    }

    private func table(_ story: Story) -> TableModel {
        let rows = story.result.strategies.flatMap { climb in
            climb.points.enumerated().map { index, point in
                RowModel(
                    rowStyle: index == 0 ? "begins" : "",
                    cells: [
                        .name(climb.strategy.rawValue),
                        .number(Axis.Format.percent.text(point.occupancyPercent)),
                        .number(Count.format(point.connectionsTo)),
                        .number(NumberText.whole(point.connectsPerSecond)),
                        .number(NumberText.duration(nanoseconds: Double(point.medianNanoseconds))),
                        .number(NumberText.duration(nanoseconds: Double(point.p99Nanoseconds))),
                        .number(
                            NumberText.oneDecimal(point.processorMicrosecondsPerConnect) + " µs"),
                    ])
            }
        }
        return TableModel(
            tableTitle: "Every stretch of \(story.name)", isFolded: true,
            head: [
                .text("way"), .number("ports in use"), .number("connections"),
                .number("connects/s"), .number("median"), .number("p99"), .number("processor"),
            ], rows: rows)
    }
}
