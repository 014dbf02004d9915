// A comparison of two groups as text for a terminal, and as Markdown for a pull request.

public struct ComparisonTable {
    private static let width = 100
    private let comparison: Comparison

    public init(_ comparison: Comparison) {
        self.comparison = comparison
    }

    /// All figures, and what they say in words.
    public var text: String {
        var lines = [
            "\(comparison.base) (\(runs(\.base)) runs) against \(comparison.new)"
                + " (\(runs(\.new)) runs)"
        ]
        for place in places {
            lines += ["", Self.heading(place)]
            lines += TextGrid.lines(
                [["", "base", "", "new", "", "ratio", "95 % interval", "p", "verdict"]]
                    + cells(at: place).map(row))
        }
        lines.append("")
        let sentences =
            [PairSentence.text(comparison), comparison.resolution]
            + comparison.reservations.map { "note: \($0)" }
        lines += sentences.flatMap {
            TextLayout.wrap($0, first: "", rest: "  ", width: Self.width)
        }
        return lines.joined(separator: "\n")
    }

    /// The same as GitHub's Markdown.
    public var markdown: String {
        var lines = [
            "### \(Self.escape(comparison.new)) against \(Self.escape(comparison.base))",
            "",
            "| figure | connections | base | new | ratio | 95 % interval | p | verdict |",
            "|---|---:|---:|---:|---:|---:|---:|---|",
        ]
        for place in places {
            for cell in cells(at: place) {
                let columns = row(cell)
                let verdict = columns[8]
                let isTold = [.faster, .slower].contains(cell.verdict)
                lines.append(
                    "| \(cell.metric.title) | \(place == 0 ? "" : Count.format(place))"
                        + " | \(columns[1]) \(columns[2]) | \(columns[3]) \(columns[4])"
                        + " | \(columns[5]) | \(columns[6]) | \(columns[7])"
                        + " | \(isTold ? "**\(verdict)**" : verdict) |")
            }
        }
        lines += ["", Self.escape(PairSentence.text(comparison)) + "."]
        lines += ["", Self.escape(comparison.resolution) + "."]
        for reservation in comparison.reservations {
            lines += ["", "> \(Self.escape(reservation))"]
        }
        return lines.joined(separator: "\n")
    }

    private func runs(_ side: KeyPath<ComparedCell, SampleSummary>) -> Int {
        comparison.cells.map { $0[keyPath: side].values.count }.max() ?? 0
    }

    /// Steps in their order, the whole run last.
    private var places: [Int] {
        let all = Set(comparison.cells.map(\.connections))
        return all.subtracting([0]).sorted() + (all.contains(0) ? [0] : [])
    }

    private static func heading(_ place: Int) -> String {
        place == 0 ? "the whole run" : "\(Count.format(place)) connections"
    }

    private func cells(at place: Int) -> [ComparedCell] {
        comparison.cells.filter { $0.connections == place }
    }

    private func row(_ cell: ComparedCell) -> [String] {
        [
            cell.metric.shortTitle,
            cell.metric.text(cell.base.median), cell.base.spreadText,
            cell.metric.text(cell.new.median), cell.new.spreadText,
            cell.base.median > 0
                ? "x\(Decimal2.text(cell.new.median / cell.base.median))" : "-",
            cell.ratio.map { "\(ChangeText.signed($0.low - 1))…\(ChangeText.signed($0.high - 1))" }
                ?? "-",
            cell.adjustedPValue.map(ChangeText.pValue) ?? "-",
            cell.metric.word(cell.verdict),
        ]
    }

    private static func escape(_ text: String) -> String {
        text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
    }
}
