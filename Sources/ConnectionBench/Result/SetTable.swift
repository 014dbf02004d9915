// Several candidates side by side, as a table that a person understands at first reading.

import ConnectionEngine

public struct SetTable {
    /// Steps before the last one that are shown in short; the others are in the JSON.
    private static let earlierStepsMax = 2
    /// What is shown of them.
    private static let earlierMetrics: [Metric] = [.connectRate, .p50, .p99, .serverCPU]
    private static let width = 100

    private let set: RunSet
    private let groups: [RunGroup]

    public init(_ set: RunSet) {
        self.set = set
        groups = set.candidates.map { RunGroup(set, candidate: $0) }
    }

    public var text: String {
        var lines = heading
        let steps = groups.reduce(into: Set<Int>()) { $0.formUnion($1.steps) }.sorted()
        for step in earlier(steps) { lines += [""] + block(step, Self.earlierMetrics) }
        if let last = steps.last { lines += [""] + block(last, Metric.allCases) }
        lines.append("")
        lines += set.comparisons.flatMap { wrap(PairSentence.text($0)) }
        lines += ResolutionLines.of(set).flatMap { wrap($0) }
        lines += outliers.flatMap { wrap($0) }
        lines += warnings.flatMap { wrap($0) }
        lines += (set.thresholds ?? []).map(\.line)
        if let stopped = set.stopped { lines += wrap("stopped: \(stopped.message)") }
        lines.append(verdict)
        return lines.joined(separator: "\n")
    }

    private func wrap(_ text: String) -> [String] {
        TextLayout.wrap(text, first: "", rest: "  ", width: Self.width)
    }

    private var heading: [String] {
        guard let first = set.runs.first?.result else {
            return ["uring-bench \(set.tool.version) (\(set.tool.buildMode)), no run"]
        }
        let names = set.candidates.joined(separator: ", ")
        var meaning =
            "\(set.rounds) rounds in turns, \(first.plan.loadWords); medians ± half of their"
            + " 95 % interval"
        if let rule = set.comparisons.first?.rule {
            meaning +=
                ", ratio to \(set.candidates[0]); same: within ±"
                + "\(ChangeText.percent(rule.whatMatters)), ?: these runs cannot tell"
        }
        return wrap(ToolHeading.line(first.tool, names, first.host)) + wrap(meaning)
    }

    /// The smallest step, and the one in the middle.
    private func earlier(_ steps: [Int]) -> [Int] {
        let before = Array(steps.dropLast())
        guard before.count > Self.earlierStepsMax else { return before }
        return [before[0], before[before.count / 2]]
    }

    /// One step: a line for each figure, a column for each candidate.
    private func block(_ step: Int, _ metrics: [Metric]) -> [String] {
        var rows = [["\(Count.format(step)) connections"]]
        for (position, group) in groups.enumerated() {
            rows[0] += position == 0 ? [group.name, ""] : [group.name, "", "", ""]
        }
        for metric in metrics {
            let place = metric == .closeRate ? 0 : step
            let summaries = groups.map { SampleSummary($0.sample(metric, at: place).values) }
            guard summaries.contains(where: { $0 != nil }) else { continue }
            var row = [metric.shortTitle]
            for (position, summary) in summaries.enumerated() {
                row.append(summary.map { metric.text($0.median) } ?? "-")
                row.append(summary?.spreadText ?? "")
                if position > 0 { row += comparison(metric, place, groups[position].name) }
            }
            rows.append(row)
        }
        return TextGrid.lines(rows, gap: " ")
    }

    /// Ratio to the reference, and the verdict in a word.
    private func comparison(_ metric: Metric, _ place: Int, _ name: String) -> [String] {
        guard
            let cell = set.comparisons.first(where: {
                $0.base == groups[0].name && $0.new == name
            })?.cell(metric, at: place), let ratio = cell.ratio
        else { return ["", ""] }
        let word: String
        switch cell.verdict {
        case .noDifference: word = "same"
        case .cannotTell: word = "?"
        case .faster, .slower: word = metric.word(cell.verdict)
        }
        return ["x\(Decimal2.text(ratio.value))", word]
    }

    private var outliers: [String] {
        let notes = set.comparisons.flatMap { comparison in
            comparison.reservations.filter { $0.contains("far from") }
        }
        return notes.prefix(1).map { "note: \($0)" }
    }

    /// One line for each warning, however many runs have it.
    private var warnings: [String] {
        var counts: [(warning: RunWarning, runs: Int)] = []
        for warning in set.runs.flatMap(\.result.warnings) {
            if let index = counts.firstIndex(where: { $0.warning.id == warning.id }) {
                counts[index].runs += 1
            } else {
                counts.append((warning, 1))
            }
        }
        return set.warnings.map { "warning [\($0.id)] \($0.message)" }
            + counts.map { warning, runs in
                "warning [\(warning.id)] in \(runs) of \(set.runs.count) runs: \(warning.message)"
            }
    }

    private var verdict: String {
        let good = set.runs.count { $0.result.complete }
        let planned = set.rounds * set.candidates.count
        if set.complete {
            let word = set.exitCode == 99 ? "FAIL" : "PASS"
            let connections = set.runs.first?.result.plan.connections ?? 0
            return "\(word) \(planned) runs of \(Count.format(connections)) connections held and"
                + " verified" + (set.exitCode == 99 ? ", a threshold was missed (exit 99)" : "")
        }
        return "INCOMPLETE \(good) of \(planned) runs reached their end (exit \(set.exitCode))"
    }
}

/// What a comparison says about the figures that people ask about first, at the last step.
enum PairSentence {
    static func text(_ comparison: Comparison) -> String {
        let last = comparison.lastStep
        let cells = Metric.headline.compactMap { comparison.cell($0, at: last) }
        guard !cells.isEmpty else {
            return "\(comparison.new) against \(comparison.base): no figure was measured on both"
        }
        let told = cells.filter { [.faster, .slower].contains($0.verdict) }
        let same = cells.filter { $0.verdict == .noDifference }.map(\.metric.title)
        let open = cells.filter { $0.verdict == .cannotTell }
        var parts = told.compactMap { cell in
            cell.ratio.map { cell.metric.sentence(comparison.new, against: comparison.base, $0) }
        }
        if !same.isEmpty {
            parts.append(
                (parts.isEmpty ? "\(comparison.new) and \(comparison.base): " : "")
                    + "no difference in \(same.joined(separator: ", "))")
        }
        if let first = open.first {
            let isAlone = parts.isEmpty
            // One reason stands for all of them where they have the same.
            let reasons = Set(open.map(\.reason))
            let names = open.map(\.metric.title).joined(separator: ", ")
            parts.append(
                (isAlone ? "\(comparison.new) against \(comparison.base): " : "")
                    + "cannot tell about \(names)"
                    + " (\(reasons.count == 1 ? first.reason : "too few or too noisy runs"))")
        }
        return parts.joined(separator: "; ")
    }
}

/// One line when all comparisons say the same, else one for each.
enum ResolutionLines {
    static func of(_ set: RunSet) -> [String] {
        let texts = Set(set.comparisons.map(\.resolution))
        if texts.count == 1, let text = texts.first { return [text] }
        return set.comparisons.map { "\($0.new) against \($0.base): \($0.resolution)" }
    }
}
