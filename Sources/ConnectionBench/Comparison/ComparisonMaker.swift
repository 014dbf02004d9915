// Compares two groups of runs figure by figure, and corrects for the number of figures.

extension Comparison {
    /// - Parameters:
    ///   - isInterleaved: the two took turns, and their runs have the same rounds.
    ///   - unlike: what differs in the environments although they are compared.
    ///   - isWanted: figures, by metric and step, that are looked at; the correction is for these.
    ///   - resamples: fewer than the default only in simulations.
    init(
        base: RunGroup, new: RunGroup, isInterleaved: Bool, unlike: [UnlikeFact] = [],
        rule: VerdictRule = VerdictRule(), resamples: Int = Bootstrap.resamples,
        where isWanted: (Metric, Int) -> Bool = { _, _ in true }
    ) {
        let steps = base.steps.intersection(new.steps).sorted()
        let places = (steps + [0]).flatMap { step in Metric.allCases.map { ($0, step) } }
            .filter(isWanted)
        let tested = places.compactMap { metric, step in
            TestedCell(
                metric, at: step, base, new, isInterleaved: isInterleaved, resamples: resamples)
        }
        let correction = Correction(tested)
        var disturbances = Disturbances(base, new)
        disturbances.unlikeLoad = unlike.first { $0.isLoad }
            .map { "\($0.name) is \($0.base) and \($0.new)" }
        let cells = tested.indices.map {
            tested[$0].judged(
                adjustedPValue: correction.adjusted[$0], figuresTested: correction.sizes[$0],
                disturbances, rule)
        }
        self.init(base: base.name, new: new.name, cells: cells)
        self.isInterleaved = isInterleaved
        self.figuresTested = correction.adjusted.count { $0 != nil }
        self.rule = rule
        self.unlike = unlike
        reservations = Reservations.of(base, new, cells, unlike)
        resolution = ResolutionText.of(cells, rule)
    }

    /// The cell of a figure; `nil` when it was not measured on both sides.
    public func cell(_ metric: Metric, at connections: Int) -> ComparedCell? {
        cells.first { $0.metric == metric && $0.connections == connections }
    }

    var lastStep: Int { cells.map(\.connections).max() ?? 0 }
}

/// One figure with its test, before the correction.
private struct TestedCell {
    let metric: Metric
    let connections: Int
    let base: SampleSummary
    let new: SampleSummary
    let ratio: RatioEstimate?
    let pValue: Double?
    let spread: Double?

    init?(
        _ metric: Metric, at connections: Int, _ base: RunGroup, _ new: RunGroup,
        isInterleaved: Bool, resamples: Int
    ) {
        let (one, other) = (
            base.sample(metric, at: connections), new.sample(metric, at: connections)
        )
        guard let baseSummary = SampleSummary(one.values, resamples: resamples),
            let newSummary = SampleSummary(other.values, resamples: resamples)
        else { return nil }
        self.metric = metric
        self.connections = connections
        self.base = baseSummary
        self.new = newSummary
        // A round of which one run has failed cannot be resampled as one.
        let isPaired = isInterleaved && one.rounds == other.rounds
        let isEnough = min(one.values.count, other.values.count) >= 2
        ratio =
            isEnough
            ? Bootstrap.ratio(
                base: one.values, new: other.values, isPaired: isPaired, resamples: resamples
            ).map {
                RatioEstimate(
                    value: newSummary.median / baseSummary.median, low: $0.low, high: $0.high)
            } : nil
        let isTestable = min(one.values.count, other.values.count) >= VerdictRule.runsMin
        pValue = isTestable ? MannWhitney.test(one.values, other.values)?.pValue : nil
        spread = Resolution.spread(base: one.values, new: other.values, isPaired: isPaired)
    }

    func judged(
        adjustedPValue: Double?, figuresTested: Int, _ disturbances: Disturbances,
        _ rule: VerdictRule
    ) -> ComparedCell {
        let runs = min(base.values.count, new.values.count)
        var evidence = CellEvidence(metric: metric, base: base, new: new)
        evidence.ratio = ratio
        evidence.adjustedPValue = adjustedPValue
        evidence.figuresTested = figuresTested
        evidence.smallestResolvable = spread.flatMap {
            Resolution.smallest(spread: $0, runs: runs)
        }
        evidence.runsForFivePercent = spread.map {
            Resolution.runsNeeded(spread: $0, for: 0.05)
        }
        evidence.clientBoundRuns = disturbances.clientBoundRuns
        evidence.disturbances = disturbances.words
        evidence.unlikeLoad = disturbances.unlikeLoad
        let (verdict, reason) = rule.verdict(evidence)
        var cell = ComparedCell(
            metric: metric, connections: connections, base: base, new: new, verdict: verdict,
            reason: reason)
        cell.ratio = ratio
        cell.pValue = pValue
        cell.adjustedPValue = adjustedPValue
        cell.smallestResolvable = evidence.smallestResolvable
        cell.runsForFivePercent = evidence.runsForFivePercent
        return cell
    }
}

/// The correction for many figures, within two families of them: the few that people ask about
/// first, and the rest. In one family a doubled processor time would be lost among a dozen other
/// figures, since five runs on a side reach no p below 0.008.
private struct Correction {
    /// By the position of the figure; `nil`: it was not tested.
    var adjusted: [Double?]
    /// Figures of its family.
    var sizes: [Int]

    init(_ tested: [TestedCell]) {
        adjusted = tested.map { _ in nil }
        sizes = tested.map { _ in 0 }
        for isHeadline in [true, false] {
            let family = tested.indices.filter {
                tested[$0].pValue != nil && tested[$0].metric.isHeadline == isHeadline
            }
            let corrected = FalseDiscovery.adjusted(family.compactMap { tested[$0].pValue })
            for (index, value) in zip(family, corrected) {
                adjusted[index] = value
                sizes[index] = family.count
            }
        }
    }
}

/// What spoiled the runs of two groups, by their warnings.
private struct Disturbances {
    let clientBoundRuns: Int
    let words: [String]
    var unlikeLoad: String?

    init(_ base: RunGroup, _ new: RunGroup) {
        func count(_ id: String) -> Int { base.count(warned: id) + new.count(warned: id) }
        let all = base.runs.count + new.runs.count
        clientBoundRuns = count("client-saturated")
        words = [
            ("steal", "the hypervisor took time away"),
            ("not-settled", "other programs were busy"),
        ].compactMap { id, text in
            let count = count(id)
            return count > 0 ? "\(text) in \(count) of \(all) runs" : nil
        }
    }
}

/// What a reader has to know before believing a comparison.
private enum Reservations {
    static func of(
        _ base: RunGroup, _ new: RunGroup, _ cells: [ComparedCell], _ unlike: [UnlikeFact]
    ) -> [String] {
        var lines: [String] = []
        if !unlike.isEmpty {
            let names = unlike.map(\.name).joined(separator: ", ")
            lines.append("the environments are unlike (\(names)), and were compared by --force")
        }
        let all = base.runs.count + new.runs.count
        for (id, text) in causes {
            let count = base.count(warned: id) + new.count(warned: id)
            if count > 0 { lines.append("\(text) in \(count) of \(all) runs [\(id)]") }
        }
        let failed = (base.runs + new.runs).count { !$0.result.complete }
        if failed > 0 { lines.append("\(failed) of \(all) runs did not reach their end") }
        let wild = cells.filter {
            !OrderStatistics.outliers($0.base.values).isEmpty
                || !OrderStatistics.outliers($0.new.values).isEmpty
        }
        if let first = wild.first {
            lines.append(
                "\(wild.count) figure(s) have a run far from the others, such as"
                    + " \(first.metric.title(at: first.connections))")
        }
        return lines
    }

    private static let causes = [
        ("debug-build", "a debug build was measured"),
        ("client-saturated", "the load generator was the bottleneck"),
        ("steal", "the hypervisor took time away"),
        ("not-settled", "other programs were busy"),
        ("governor", "the run was held back"),
        ("fallback-backend", "epoll stood in for io_uring"),
    ]
}

/// What the runs of a comparison could have shown.
enum ResolutionText {
    /// One sentence about the last step.
    static func of(_ cells: [ComparedCell], _ rule: VerdictRule) -> String {
        let last = cells.map(\.connections).max() ?? 0
        var shown = cells.filter { $0.connections == last && $0.metric.isHeadline }
        if shown.isEmpty { shown = cells }
        let runs = shown.map { min($0.base.values.count, $0.new.values.count) }.min() ?? 0
        guard runs >= 2 else {
            return "\(runs) run(s) on a side resolve nothing: a verdict needs at least"
                + " \(VerdictRule.runsMin) on each side"
        }
        let needs = need(shown, runs)
        guard runs >= VerdictRule.runsMin else {
            return "\(runs) runs on a side resolve nothing; \(needs)"
        }
        let resolved = shown.compactMap { cell in
            cell.smallestResolvable.map { ($0, cell.metric) }
        }.sorted { $0.0 < $1.0 }
        guard let best = resolved.first, let worst = resolved.last else {
            return "nothing was measured that a difference could be found in"
        }
        var text =
            "the smallest difference these runs could resolve: \(ChangeText.percent(best.0))"
        if ChangeText.percent(best.0) != ChangeText.percent(worst.0) {
            text +=
                " (\(best.1.title))"
                + " to \(ChangeText.percent(worst.0)) (\(worst.1.title))"
        }
        return text + "; \(needs)"
    }

    private static func need(_ cells: [ComparedCell], _ runs: Int) -> String {
        let needs = cells.compactMap { cell in
            cell.runsForFivePercent.map { (max(0, $0 - runs), cell.metric) }
        }.sorted { $0.0 < $1.0 }
        guard let least = needs.first, let most = needs.last else {
            return "how many runs 5 % would need cannot be said"
        }
        func count(_ runs: Int) -> String {
            runs > 1_000 ? "over 1,000 more runs" : runs == 1 ? "1 more run" : "\(runs) more runs"
        }
        if most.0 == 0 { return "5 % would need no more runs" }
        if least.0 == most.0 { return "5 % would need \(count(most.0))" }
        return "5 % would need \(count(least.0)) (\(least.1.title)) to \(count(most.0))"
            + " (\(most.1.title))"
    }
}
