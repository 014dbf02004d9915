// What two groups of runs say of each other: figure by figure, with the uncertainty.

/// A base and something new, compared in every figure that both have at the same step.
public struct Comparison: Codable, Sendable {
    /// Names of the two, for people.
    public var base: String
    public var new: String
    public var cells: [ComparedCell]
    /// What is unlike in the two environments; a comparison was forced if it is not empty.
    public var unlike: [UnlikeFact] = []
    /// Reasons why the figures deserve no trust, in plain words.
    public var reservations: [String] = []
    /// The two took turns: intervals are of whole rounds, so that a slow change cancels out.
    public var isInterleaved = false
    /// Figures that were tested, and their p-values corrected, together.
    public var figuresTested = 0
    public var rule = VerdictRule()
    /// The smallest difference that the runs could have resolved, and the runs that 5 % needs.
    public var resolution = ""

    public init(base: String, new: String, cells: [ComparedCell]) {
        self.base = base
        self.new = new
        self.cells = cells
    }
}

/// One figure at one step.
public struct ComparedCell: Codable, Sendable {
    public var metric: Metric
    /// Connections of the step; 0: a figure of the whole run.
    public var connections: Int
    public var base: SampleSummary
    public var new: SampleSummary
    /// Median of new through median of base, with its bootstrap interval of 95 %; `nil`: too few
    /// runs, or a value that is not above 0.
    public var ratio: RatioEstimate?
    /// Mann-Whitney, two-sided; and after Benjamini-Hochberg over all cells of the comparison.
    public var pValue: Double?
    public var adjustedPValue: Double?
    public var verdict: ComparisonVerdict
    /// Why it is so, in one sentence.
    public var reason: String
    /// The smallest change, as a part of 1, that these runs could have resolved.
    public var smallestResolvable: Double?
    /// Runs on each side that a change of 5 % would need; more than there were: so many more.
    public var runsForFivePercent: Int?

    public init(
        metric: Metric, connections: Int, base: SampleSummary, new: SampleSummary,
        verdict: ComparisonVerdict, reason: String
    ) {
        self.metric = metric
        self.connections = connections
        self.base = base
        self.new = new
        self.verdict = verdict
        self.reason = reason
    }
}

public enum ComparisonVerdict: String, Codable, Sendable {
    /// The new one is better, or worse, by more than the noise.
    case faster, slower
    /// The two differ by less than what matters, and the runs were enough to say so.
    case noDifference
    case cannotTell
}

public struct RatioEstimate: Codable, Hashable, Sendable {
    public var value: Double
    public var low: Double
    public var high: Double

    public init(value: Double, low: Double, high: Double) {
        self.value = value
        self.low = low
        self.high = high
    }
}

/// One figure of all runs of one candidate at one step.
public struct SampleSummary: Codable, Hashable, Sendable {
    /// One value for each run, in the order of the runs.
    public var values: [Double]
    public var median: Double
    /// Bootstrap interval of 95 % of the median.
    public var low: Double
    public var high: Double

    public init(values: [Double], median: Double, low: Double, high: Double) {
        self.values = values
        self.median = median
        self.low = low
        self.high = high
    }
}

/// A fact of the two environments that is not the same.
public struct UnlikeFact: Codable, Hashable, Sendable {
    public var name: String
    public var base: String
    public var new: String
    /// What was offered to the servers differs, and not only the machine.
    public var isLoad = false

    public init(name: String, base: String, new: String, isLoad: Bool = false) {
        self.name = name
        self.base = base
        self.new = new
        self.isLoad = isLoad
    }
}
