// Several runs in turns, and what their comparison says: one file.

/// What `run --repeats` or `run --backend all` leaves behind.
///
/// Runs are in the order in which they were made, A B C, then C B A, so that a slow change of the
/// machine falls on all candidates alike.
public struct RunSet: Codable, Sendable {
    public static let schemaName = "uring-bench.set"

    public var schema = RunSet.schemaName
    public var schemaVersion = "1.0"
    public var tool: ToolFacts
    public var commandLine: [String]
    public var startedAt: String
    /// Names of the candidates, the reference first: backends, or `base` and `new`.
    public var candidates: [String]
    /// Rounds that were asked for; each has one run of each candidate.
    public var rounds = 0
    /// Every run that was begun, in order; the runs before the first round, which only warm the
    /// machine up, are not among them.
    public var runs: [CandidateRun]
    /// Each candidate against the reference, and against each other.
    public var comparisons: [Comparison] = []
    /// What became of each --fail-if or --fail-on; absent when there was none.
    public var thresholds: [ThresholdOutcome]?
    /// All planned runs were made and reached their last step.
    public var complete = false
    public var stopped: StopReason?
    public var exitCode: Int32 = 1
    public var warnings: [RunWarning] = []
    public var elapsedSeconds = 0.0

    public struct CandidateRun: Codable, Sendable {
        public var candidate: String
        /// From 1 on.
        public var round: Int
        public var result: RunResult

        public init(candidate: String, round: Int, result: RunResult) {
            self.candidate = candidate
            self.round = round
            self.result = result
        }
    }

    public init(
        tool: ToolFacts, commandLine: [String], startedAt: String, candidates: [String],
        runs: [CandidateRun] = []
    ) {
        self.tool = tool
        self.commandLine = commandLine
        self.startedAt = startedAt
        self.candidates = candidates
        self.runs = runs
    }

    public func runs(of candidate: String) -> [RunResult] {
        runs.filter { $0.candidate == candidate }.map(\.result)
    }

    /// Why there is no run at all, as what ended the set; `nil` when nothing failed.
    public var failure: StopReason? {
        warnings.first { $0.id == "run-failed" }.map {
            StopReason(kind: .machineUnfit, message: $0.message, exitCode: exitCode)
        }
    }
}
