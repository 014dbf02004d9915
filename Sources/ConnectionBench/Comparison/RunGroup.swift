// The runs of one candidate, and the samples that they give for a figure.

/// Runs that are alike in everything but chance.
public struct RunGroup: Sendable {
    /// For people: a backend, a file, `base`.
    public var name: String
    public var runs: [Member]

    public struct Member: Sendable {
        /// The round of interleaved runs that it was made in; runs from elsewhere are numbered on.
        public var round: Int
        public var result: RunResult
    }

    public init(name: String, results: [RunResult]) {
        self.name = name
        runs = results.enumerated().map { Member(round: $0.offset + 1, result: $0.element) }
    }

    /// The runs of one candidate of a set.
    public init(_ set: RunSet, candidate: String) {
        name = candidate
        runs = set.runs.filter { $0.candidate == candidate }
            .map { Member(round: $0.round, result: $0.result) }
    }

    /// Steps that at least one run has reached and verified.
    var steps: Set<Int> {
        Set(runs.flatMap { $0.result.steps.filter(\.verified).map(\.connections) })
    }

    /// One value for each run that has measured the figure, and the rounds they are of.
    ///
    /// - Parameter connections: of the step; 0: of the whole run.
    func sample(_ metric: Metric, at connections: Int) -> (values: [Double], rounds: [Int]) {
        var (values, rounds): ([Double], [Int]) = ([], [])
        for run in runs {
            let value =
                connections == 0
                ? metric.value(of: run.result)
                : run.result.steps.last { $0.verified && $0.connections == connections }
                    .flatMap { metric.value(of: $0) }
            guard let value, value.isFinite else { continue }
            values.append(value)
            rounds.append(run.round)
        }
        return (values, rounds)
    }

    /// Runs that carry a warning.
    func count(warned id: String) -> Int {
        runs.count { $0.result.warnings.contains { $0.id == id } }
    }
}

extension SampleSummary {
    /// `nil` without values.
    init?(_ values: [Double], resamples: Int = Bootstrap.resamples) {
        guard let median = OrderStatistics.median(values),
            let interval = Bootstrap.median(values, resamples: resamples)
        else { return nil }
        self.init(values: values, median: median, low: interval.low, high: interval.high)
    }

    /// Half of the interval's width, as a part of the median.
    var halfWidth: Double? { median > 0 ? (high - low) / 2 / median : nil }

    /// `±12 %`; nothing where there is no interval.
    var spreadText: String {
        guard values.count > 1, let halfWidth else { return "" }
        return "±\(Int(saturating: (100 * halfWidth).rounded())) %"
    }
}
