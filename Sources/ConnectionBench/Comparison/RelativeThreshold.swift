// Bounds for `compare --fail-on`: how much worse the new runs may be.

/// Broken when a figure is worse by more than a part, and the runs are enough to say so.
public struct RelativeThreshold: Hashable, Sendable {
    public let expression: String
    public let metric: Metric
    /// `nil`: each step.
    public let step: Int?
    /// As a part of 1.
    public let bound: Double

    public init(parsing text: String) throws(ThresholdError) {
        let parts = try ThresholdParts(parsing: text, example: "p99>10%")
        guard parts.relation == .above, let (number, unit) = ThresholdParts.split(parts.bound),
            unit == "%", number <= 10_000
        else {
            throw ThresholdError(
                description: "'\(text)': give how much worse a figure may be in percent, such as"
                    + " 'p99>10%'")
        }
        expression = text
        metric = parts.metric
        step = parts.step
        bound = number / 100
    }

    func concerns(_ cell: ComparedCell) -> Bool {
        cell.metric == metric && (step == nil || cell.connections == step)
    }

    /// By how much the new median is worse, as a part of the base: of 10 % fewer connects 0.1.
    static func worsening(_ cell: ComparedCell) -> Double? {
        guard cell.base.median > 0 else { return nil }
        let ratio = cell.new.median / cell.base.median
        return cell.metric.prefersLarger ? 1 - ratio : ratio - 1
    }

    func isBeyond(_ cell: ComparedCell) -> Bool {
        Self.worsening(cell).map { $0 > bound } ?? false
    }

    /// Worth a second look: beyond the bound, and not already shown to be chance. Without the
    /// correction for many figures, since the second look is what corrects.
    func isSuspected(_ cell: ComparedCell) -> Bool {
        guard concerns(cell), isBeyond(cell) else { return false }
        guard let pValue = cell.pValue else {
            return min(cell.base.values.count, cell.new.values.count) < VerdictRule.runsMin
        }
        return pValue < VerdictRule.alpha
    }

    /// Beyond the bound, and the runs are enough to call it worse.
    func isBroken(_ cell: ComparedCell) -> Bool {
        concerns(cell) && isBeyond(cell) && cell.verdict == .slower
    }
}
