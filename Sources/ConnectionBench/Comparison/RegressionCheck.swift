// From bounds and a comparison to regressions: shown, suspected and confirmed.

/// Looks at one comparison with all bounds.
public struct RegressionCheck {
    let thresholds: [RelativeThreshold]

    public init(_ thresholds: [RelativeThreshold]) {
        self.thresholds = thresholds
    }

    /// A bound is about this figure: what is asked beforehand is corrected for among itself alone.
    func asksAbout(_ metric: Metric, _ connections: Int) -> Bool {
        thresholds.contains {
            $0.metric == metric && ($0.step == nil || $0.step == connections)
        }
    }

    struct Figure: Hashable {
        let metric: Metric
        let connections: Int
    }

    /// Figures that a second look must decide.
    func suspected(in comparison: Comparison) -> Set<Figure> {
        Set(
            comparison.cells.filter { cell in
                thresholds.contains { $0.isSuspected(cell) || $0.isBroken(cell) }
            }.map { Figure(metric: $0.metric, connections: $0.connections) })
    }

    /// - Parameters:
    ///   - again: the same figures of both commands in turns; `nil`: they were not run again.
    ///   - obstacle: why not.
    public func outcomes(
        _ comparison: Comparison, again: Comparison?, obstacle: String?
    ) -> [RegressionOutcome] {
        thresholds.flatMap { threshold -> [RegressionOutcome] in
            let cells = comparison.cells.filter(threshold.concerns)
            if cells.isEmpty { return [unmeasured(threshold, comparison)] }
            let suspected = cells.filter { threshold.isSuspected($0) || threshold.isBroken($0) }
            if suspected.isEmpty { return [passed(threshold, cells, comparison)] }
            return suspected.map { decided(threshold, $0, comparison, again, obstacle) }
        }
    }

    private func unmeasured(
        _ threshold: RelativeThreshold, _ comparison: Comparison
    ) -> RegressionOutcome {
        return RegressionOutcome(
            expression: threshold.expression, of: comparison.new, connections: threshold.step,
            state: .notMeasured,
            text:
                "\(threshold.metric.title(at: threshold.step ?? 0)) was not measured on both sides")
    }

    private func passed(
        _ threshold: RelativeThreshold, _ cells: [ComparedCell], _ comparison: Comparison
    ) -> RegressionOutcome {
        let worst = cells.max {
            (RelativeThreshold.worsening($0) ?? 0) < (RelativeThreshold.worsening($1) ?? 0)
        }
        let isChance = cells.contains(where: threshold.isBeyond)
        let text =
            worst.map {
                "\(Self.change($0))"
                    + (isChance ? ", which these runs show to be no more than noise" : "")
            } ?? ""
        return RegressionOutcome(
            expression: threshold.expression, of: comparison.new,
            connections: worst?.connections, state: .passed, text: text)
    }

    private func decided(
        _ threshold: RelativeThreshold, _ cell: ComparedCell, _ comparison: Comparison,
        _ again: Comparison?, _ obstacle: String?
    ) -> RegressionOutcome {
        var outcome = RegressionOutcome(
            expression: threshold.expression, of: comparison.new, connections: cell.connections,
            state: .passed, text: Self.change(cell))
        if let again {
            guard let second = again.cell(cell.metric, at: cell.connections) else {
                outcome.state = threshold.isBroken(cell) ? .regression : .passed
                outcome.text += "; the runs made again have no such figure"
                return outcome
            }
            let isConfirmed = threshold.isBroken(second)
            outcome.state = isConfirmed ? .confirmed : .notConfirmed
            outcome.text +=
                "; \(isConfirmed ? "confirmed" : "not confirmed") by \(second.new.values.count)"
                + " runs of each in turns: \(Self.change(second))"
            return outcome
        }
        let why = obstacle.map { "; not run again: \($0)" } ?? ""
        if threshold.isBroken(cell) {
            outcome.state = .regression
            outcome.text += why
        } else {
            outcome.text += ", but these runs do not show it (\(cell.reason))\(why)"
        }
        return outcome
    }

    private static func change(_ cell: ComparedCell) -> String {
        let title = cell.metric.title(at: cell.connections)
        guard cell.base.median > 0 else {
            return "\(title) is \(cell.metric.text(cell.new.median)), and"
                + " \(cell.metric.text(cell.base.median)) of the base"
        }
        return "\(title) is \(ChangeText.words(cell.new.median / cell.base.median))"
            + (cell.ratio.map { " \(ChangeText.interval($0))" } ?? "")
    }
}
