// When two groups of runs are called different, alike, or not told apart: all rules in one place.

/// What has been found out about one figure, before the verdict.
struct CellEvidence {
    var metric: Metric
    var base: SampleSummary
    var new: SampleSummary
    var ratio: RatioEstimate?
    /// After correction for all figures of the comparison; `nil`: all values are the same, or few.
    var adjustedPValue: Double?
    /// Figures that were tested together.
    var figuresTested = 1
    var smallestResolvable: Double?
    var runsForFivePercent: Int?
    /// Runs on either side in which the load generator was the bottleneck.
    var clientBoundRuns = 0
    /// What disturbed the runs, in plain words; empty: nothing was seen.
    var disturbances: [String] = []
    /// Part of the load that differs between the sides; `nil`: none does.
    var unlikeLoad: String?
}

/// Turns evidence into a verdict.
///
/// 1. Fewer than 4 runs on a side: cannot tell. Mann-Whitney's test cannot reach 5 % with 3.
/// 2. Unlike loads, or a client that was the bottleneck in a third of the runs: cannot tell, for
///    figures of the load. They would compare the loads, or the client with itself.
/// 3. faster or slower: p below 5 % after Benjamini and Hochberg, over the figures that people ask
///    about first (``Metric/headline``) and over the rest, each for itself; **and** the ratio's
///    interval of 95 % wholly beyond the dead band. The one alone would call a sure difference of
///    0.1 % a result, the other alone is too narrow for few runs.
/// 4. no difference: the interval lies within ± what matters, and the runs could have shown as much.
/// 5. Anything else: cannot tell, and why.
public struct VerdictRule: Codable, Hashable, Sendable {
    /// Runs on each side below which nothing is said.
    public static let runsMin = 4
    public static let alpha = 0.05
    /// A change that nobody cares about, as a part of 1.
    public var deadBand = 0.02
    /// A change that matters.
    public var whatMatters = 0.05

    public init(whatMatters: Double = 0.05) {
        self.whatMatters = whatMatters
        deadBand = min(0.02, whatMatters)
    }

    func verdict(_ evidence: CellEvidence) -> (verdict: ComparisonVerdict, reason: String) {
        if let reason = refusal(evidence) { return (.cannotTell, reason) }
        guard let ratio = evidence.ratio else {
            return (.cannotTell, "a value is not above 0, so there is no ratio")
        }
        let change = "\(ChangeText.words(ratio.value)) \(ChangeText.interval(ratio))"
        let isBeyond = ratio.low > 1 + deadBand || ratio.high < 1 / (1 + deadBand)
        let isSignificant = evidence.adjustedPValue.map { $0 < Self.alpha } ?? false
        if isBeyond, isSignificant {
            let isBetter = (ratio.value > 1) == evidence.metric.prefersLarger
            return (isBetter ? .faster : .slower, change)
        }
        let isWithin = ratio.low >= 1 / (1 + whatMatters) && ratio.high <= 1 + whatMatters
        let couldShow = evidence.smallestResolvable.map { $0 <= whatMatters } ?? false
        if isWithin, couldShow {
            return (
                .noDifference,
                "within ±\(ChangeText.percent(whatMatters)) \(ChangeText.interval(ratio))"
            )
        }
        return (.cannotTell, doubt(evidence, ratio, isBeyond: isBeyond, isWithin: isWithin))
    }

    private func refusal(_ evidence: CellEvidence) -> String? {
        let (base, new) = (evidence.base.values.count, evidence.new.values.count)
        if min(base, new) < Self.runsMin {
            return "needs at least \(Self.runsMin) runs on each side, there are \(base) and \(new)"
        }
        if evidence.metric.dependsOnLoad, let unlike = evidence.unlikeLoad {
            return "the loads are unlike: \(unlike)"
        }
        if evidence.metric.isBoundByClient, 3 * evidence.clientBoundRuns >= base + new {
            return "client-bound: in \(evidence.clientBoundRuns) of \(base + new) runs the load"
                + " generator was the bottleneck; lower --rate"
        }
        return nil
    }

    /// Why neither a difference nor its absence is shown.
    private func doubt(
        _ evidence: CellEvidence, _ ratio: RatioEstimate, isBeyond: Bool, isWithin: Bool
    ) -> String {
        var reason: String
        if isBeyond {
            reason =
                "\(ChangeText.words(ratio.value)) \(ChangeText.interval(ratio)), but among"
                + " \(evidence.figuresTested) figures that can be chance"
                + " (p \(ChangeText.pValue(evidence.adjustedPValue ?? 1)))"
        } else if isWithin {
            reason = "alike in these runs, which are too few or too noisy to exclude a difference"
        } else {
            reason = "the change may be anything within \(ChangeText.interval(ratio))"
        }
        if let smallest = evidence.smallestResolvable, smallest > whatMatters {
            reason += "; these runs resolve \(ChangeText.percent(smallest))"
        }
        if !evidence.disturbances.isEmpty {
            reason += "; noisy host: \(evidence.disturbances.joined(separator: ", "))"
        }
        return reason
    }
}

/// Ratios in words.
enum ChangeText {
    /// `12 % higher`, `3.4 % lower`, `2.5 times as high`.
    static func words(_ ratio: Double) -> String {
        if ratio >= 3 { return "\(Decimal1.text(ratio)) times as high" }
        let change = ratio - 1
        if percent(abs(change)) == "0 %" { return "the same" }
        return "\(percent(abs(change))) \(change < 0 ? "lower" : "higher")"
    }

    /// `[+8 %, +17 %]`.
    static func interval(_ ratio: RatioEstimate) -> String {
        "[\(signed(ratio.low - 1)), \(signed(ratio.high - 1))]"
    }

    static func signed(_ change: Double) -> String {
        let text = percent(abs(change))
        if text == "0 %" { return "0 %" }
        return (change < 0 ? "-" : "+") + text
    }

    /// One decimal below 10 % where it is not 0, none above.
    static func percent(_ part: Double) -> String {
        guard part.isFinite, part < 1e6 else { return "over 99,999,999 %" }
        var text = Decimal1.text(100 * part)
        if 100 * part >= 9.95 { text = Count.format(Int(saturating: (100 * part).rounded())) }
        if text.hasSuffix(".0") { text = String(text.dropLast(2)) }
        return "\(text) %"
    }

    static func pValue(_ value: Double) -> String {
        if value < 0.001 { return "< 0.001" }
        let thousandths = Int(saturating: (value * 1_000).rounded())
        let digits = String(thousandths % 1_000)
        return "\(thousandths / 1_000)." + String(repeating: "0", count: 3 - digits.count) + digits
    }
}
