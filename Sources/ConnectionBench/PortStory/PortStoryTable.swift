// The port story as a person reads it, in 80 columns: the cliff as bars, then what a connect costs.

import ConnectionEngine

public struct PortStoryTable {
    private let result: PortStoryResult
    private var strategies: [PortClimbResult] { result.strategies }

    public init(_ result: PortStoryResult) {
        self.result = result
    }

    public var text: String {
        var lines = heading
        if strategies.contains(where: { !$0.points.isEmpty }) {
            lines += ["", "connects per second while the ports fill up"]
            lines += grid(rate)
            lines += ["", "µs of one connect: median, 99th percentile, processor time (mean)"]
            lines += grid(cost)
            lines += notes
            lines.append("")
        }
        lines += strategies.map(\.sentence)
        lines += result.omitted.map { "\($0.strategy.rawValue): left out, \($0.reason)" }
        lines += notBegun
        lines.append("")
        lines += PortStoryFindings(result).sentences.flatMap { Self.wrapped($0) }
        lines += result.warnings.flatMap { Self.wrapped("warning [\($0.id)] \($0.message)") }
        if let stopped = result.stopped { lines += Self.wrapped("stopped: \(stopped.message)") }
        return lines.joined(separator: "\n")
    }

    private var heading: [String] {
        let plan = result.plan
        let first = ToolHeading.line(result.tool, "ports", result.host)
        let what = [
            "\(Count.format(plan.ports)) source ports (\(plan.portFirst) to \(plan.portLast)) of one"
                + " address, one destination;",
            "up to \(Self.seconds(plan.secondsPerStrategy)) s for each strategy, each in a fresh"
                + " network namespace",
        ]
        let width = strategies.map(\.strategy.rawValue.count).max() ?? 0
        let legend = strategies.map { climb in
            "  \(Self.padded(climb.strategy.rawValue, to: width))  \(climb.explanation)"
        }
        return [first] + what + legend
    }

    // MARK: The grid

    /// One block of a strategy's column: a heading's width, and a cell for a row.
    private struct Column {
        let name: String
        let cells: [String]
    }

    /// A row for each twentieth, a column for each strategy.
    private func grid(_ cell: (PortClimbResult.Point) -> [String]) -> [String] {
        let columns = strategies.map { column($0, cell) }
        let rows = (0..<PortStoryPlan.parts).map { row in
            let percent = 100 * (row + 1) / PortStoryPlan.parts
            return Self.padded("\(percent) %", to: 5, atEnd: false)
                + columns.map { "  " + $0.cells[row] }.joined()
        }
        let names = columns.map { "  " + Self.padded($0.name, to: $0.cells[0].count) }
        return (["used " + names.joined()] + rows).map(Self.withoutTrailingSpace)
    }

    private func column(
        _ climb: PortClimbResult, _ cell: (PortClimbResult.Point) -> [String]
    ) -> Column {
        let parts = climb.points.map(cell)
        let widths = (parts.first ?? []).indices.map { index in
            parts.map { $0[index].count }.max() ?? 0
        }
        let cells = (0..<PortStoryPlan.parts).map { row in
            guard row < parts.count else { return "-" }
            // A point that was cut off has a mark.
            let mark = climb.points[row].isWhole ? " " : "*"
            return zip(parts[row], widths).map {
                Self.padded($0, to: $1, atEnd: $0.first == Self.barEdge)
            }.joined(separator: " ") + mark
        }
        let width = max(climb.strategy.rawValue.count, cells.map(\.count).max() ?? 0)
        return Column(
            name: climb.strategy.rawValue,
            cells: cells.map { Self.padded($0 == "-" ? "     -" : $0, to: width) })
    }

    private func rate(_ point: PortClimbResult.Point) -> [String] {
        let highest = strategies.flatMap(\.points).map(\.connectsPerSecond).max() ?? 1
        return [
            Self.padded(
                Count.format(Int(saturating: point.connectsPerSecond.rounded())), to: 6,
                atEnd: false),
            Self.bar(point.connectsPerSecond / highest),
        ]
    }

    private func cost(_ point: PortClimbResult.Point) -> [String] {
        [
            Self.microseconds(Double(point.medianNanoseconds) / 1e3, width: 4),
            Self.microseconds(Double(point.p99Nanoseconds) / 1e3, width: 5),
            Self.microseconds(point.processorMicrosecondsPerConnect, width: 4),
        ]
    }

    /// A thin edge shows where a bar of no length begins.
    private static let barEdge: Character = "▏"
    private static let barWidth = 7

    /// Eighths of a character, so that 7 of these have 56 lengths.
    private static func bar(_ part: Double) -> String {
        let eighths = Int(saturating: (part * Double(barWidth) * 8).rounded())
        let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
        let filled = String(repeating: "█", count: eighths / 8) + rest
        return padded(filled, to: barWidth)
    }

    /// At most 5 characters up to a second; from 10 ms on in ms.
    private static func microseconds(_ value: Double, width: Int) -> String {
        let text =
            switch value {
            case ..<99.95: Decimal1.text(value)
            case ..<9_999.5: String(Int(saturating: value.rounded()))
            default: "\(Int(saturating: (value / 1e3).rounded()))ms"
            }
        return padded(text, to: width, atEnd: false)
    }

    private static func seconds(_ value: Double) -> String {
        value == value.rounded() ? Count.format(Int(value)) : Decimal1.text(value)
    }

    /// What the marks in the grids mean.
    private var notes: [String] {
        var lines: [String] = []
        for climb in strategies {
            if let last = climb.points.last, !last.isWhole {
                lines.append(
                    "* \(climb.strategy.rawValue): only"
                        + " \(Count.format(last.connectionsTo - last.connectionsFrom)) of the"
                        + " \(Count.format(last.connectionsPlanned - last.connectionsFrom)) connects"
                        + " of this row")
            }
        }
        if strategies.contains(where: { $0.points.count < PortStoryPlan.parts }) {
            lines.append(result.complete ? "- not reached in time" : "- not reached")
        }
        return lines.isEmpty ? [] : [""] + lines
    }

    /// Strategies whose turn never came.
    private var notBegun: [String] {
        let seen = strategies.map(\.strategy) + result.omitted.map(\.strategy)
        let missing = PortStrategy.allCases.filter { !seen.contains($0) }
        guard !missing.isEmpty else { return [] }
        return ["\(missing.map(\.rawValue).joined(separator: ", ")): not begun"]
    }

    // MARK: Text

    private static func padded(_ text: String, to width: Int, atEnd: Bool = true) -> String {
        let space = String(repeating: " ", count: max(0, width - text.count))
        return atEnd ? text + space : space + text
    }

    private static func withoutTrailingSpace(_ line: String) -> String {
        var line = line
        while line.last == " " { line.removeLast() }
        return line
    }

    /// Breaks a sentence into lines of at most 80 characters.
    static func wrapped(_ text: String) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= 80 {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
