// What `compare` leaves behind: the comparisons, and which bounds they break.

public struct ComparisonReport: Codable, Sendable {
    public static let schemaName = "uring-bench.comparison"

    public var schema = ComparisonReport.schemaName
    public var schemaVersion = "1.0"
    public var tool: ToolFacts
    public var commandLine: [String]
    public var startedAt: String
    public var comparisons: [Comparison]
    /// What became of each --fail-on.
    public var regressions: [RegressionOutcome] = []
    /// Runs that were made for this comparison: with --run all of them, else those that confirm a
    /// suspicion; absent when there were none.
    public var runs: [RunSet]?
    public var exitCode: Int32 = 0

    public init(
        tool: ToolFacts, commandLine: [String], startedAt: String, comparisons: [Comparison]
    ) {
        self.tool = tool
        self.commandLine = commandLine
        self.startedAt = startedAt
        self.comparisons = comparisons
    }

    /// For a terminal.
    public var text: String {
        (comparisons.map { ComparisonTable($0).text } + [trouble, outcomes].filter { !$0.isEmpty })
            .joined(separator: "\n\n")
    }

    /// For a pull request.
    public var markdown: String {
        let list = regressions.map { "- \($0.line)" }.joined(separator: "\n")
        return (comparisons.map { ComparisonTable($0).markdown } + [list].filter { !$0.isEmpty })
            .joined(separator: "\n\n")
    }

    private var outcomes: String { Self.wrapped(regressions.map(\.line)) }

    /// What went wrong with the runs that were made.
    private var trouble: String {
        Self.wrapped(
            (runs ?? []).flatMap { set in
                set.warnings.map { "warning [\($0.id)] \($0.message)" }
                    + [set.stopped].compactMap { $0.map { "stopped: \($0.message)" } }
            })
    }

    private static func wrapped(_ lines: [String]) -> String {
        lines.flatMap { TextLayout.wrap($0, first: "", rest: "  ", width: 100) }
            .joined(separator: "\n")
    }
}

/// One figure that a --fail-on is about.
public struct RegressionOutcome: Codable, Hashable, Sendable {
    public enum State: String, Codable, Sendable {
        /// Within the bound, or not shown to be worse.
        case passed
        /// Worse by more than the bound, and shown by these runs.
        case regression
        /// Worse by more than the bound, and again when both commands were run in turns.
        case confirmed
        /// It looked worse, and was not when both commands were run in turns.
        case notConfirmed
        case notMeasured
    }

    public var expression: String
    /// The comparison's new side.
    public var of: String
    public var connections: Int?
    public var state: State
    public var text: String

    public var isRegression: Bool {
        switch state {
        case .regression, .confirmed, .notMeasured: true
        case .passed, .notConfirmed: false
        }
    }

    /// `✗ p99>10%: echo p99 at 1,000 connections is 25 % higher [+18 %, +31 %], confirmed …`.
    public var line: String { "\(isRegression ? "✗" : "✓") \(expression): \(text)" }
}
