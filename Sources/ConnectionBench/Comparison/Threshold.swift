// Bounds that a run or a comparison must keep: `p99@100k>5ms`, `p99>10%`.

/// Why a text is no threshold; one line, with what is allowed and an example.
public struct ThresholdError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
}

/// The parts that absolute and relative thresholds share.
struct ThresholdParts {
    enum Relation: String, CaseIterable {
        // The longer ones first: they begin with the shorter.
        case atLeast = ">="
        case atMost = "<="
        case above = ">"
        case below = "<"

        func holds(_ value: Double, _ bound: Double) -> Bool {
            switch self {
            case .atLeast: value >= bound
            case .atMost: value <= bound
            case .above: value > bound
            case .below: value < bound
            }
        }
    }

    let metric: Metric
    /// `nil`: not given.
    let step: Int?
    let relation: Relation
    let bound: String

    init(parsing text: String, example: String) throws(ThresholdError) {
        guard
            let (range, relation) = Relation.allCases.lazy.compactMap({ relation in
                Self.place(of: relation.rawValue, in: text).map { ($0, relation) }
            }).first
        else {
            throw ThresholdError(
                description: "'\(text)' has no comparison: allowed are >, <, >= and <=, for example"
                    + " '\(example)' (in quotes, for the shell)")
        }
        let subject = text[..<range.lowerBound]
            .split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(TextFile.trimmed(subject[0]))
        guard let metric = Metric(named: name) else {
            throw ThresholdError(
                description: "'\(name)' is no figure: known are \(Metric.names)")
        }
        if subject.count == 2 {
            do throws(CountError) {
                step = try Count(parsing: String(TextFile.trimmed(subject[1]))).value
            } catch {
                throw ThresholdError(description: "the step in '\(text)': \(error)")
            }
            if metric == .closeRate {
                throw ThresholdError(description: "\(name) is of a whole run: leave the @ out")
            }
        } else {
            step = nil
        }
        self.metric = metric
        self.relation = relation
        bound = String(TextFile.trimmed(text[range.upperBound...]))
    }

    private static func place(of word: String, in text: String) -> Range<String.Index>? {
        var start = text.startIndex
        while start < text.endIndex {
            if text[start...].hasPrefix(word) {
                return start..<text.index(start, offsetBy: word.count)
            }
            start = text.index(after: start)
        }
        return nil
    }

    /// The number at the head of a bound, and the unit after it.
    static func split(_ bound: String) -> (number: Double, unit: String)? {
        let digits = bound.prefix { $0.isNumber || $0 == "." }
        guard let number = Double(digits), number.isFinite else { return nil }
        return (number, String(TextFile.trimmed(bound.dropFirst(digits.count))))
    }
}

/// A bound for `run --fail-if`: the run fails when the relation holds.
public struct Threshold: Hashable, Sendable {
    public let expression: String
    public let metric: Metric
    /// `nil`: the last step that was reached.
    public let step: Int?
    let relation: ThresholdParts.Relation
    /// In the unit of the metric.
    public let bound: Double

    public init(parsing text: String) throws(ThresholdError) {
        let parts = try ThresholdParts(parsing: text, example: "p99@100k>5ms")
        guard let bound = Self.value(parts.bound, parts.metric.unit) else {
            throw ThresholdError(
                description: "the bound '\(parts.bound)' of '\(text)':"
                    + " \(Self.allowed(parts.metric.unit))")
        }
        expression = text
        metric = parts.metric
        step = parts.step
        relation = parts.relation
        self.bound = bound
    }

    private static func allowed(_ unit: Metric.Unit) -> String {
        switch unit {
        case .nanoseconds, .microseconds: "give a time with its unit, ns, us, ms or s, such as 5ms"
        case .bytes: "give bytes, with B, KiB or MiB if you like, such as 9000 or 9KiB"
        case .perSecond: "give a number per second, with k or M if you like, such as 40k"
        }
    }

    private static func value(_ text: String, _ unit: Metric.Unit) -> Double? {
        guard let (number, word) = ThresholdParts.split(text) else { return nil }
        let factors: [String: Double]
        switch unit {
        case .nanoseconds: factors = ["ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9]
        case .microseconds: factors = ["ns": 1e-3, "us": 1, "µs": 1, "ms": 1e3, "s": 1e6]
        case .bytes: factors = ["": 1, "B": 1, "KiB": 1_024, "MiB": 1_048_576]
        case .perSecond: factors = ["": 1, "/s": 1, "k": 1e3, "k/s": 1e3, "M": 1e6, "M/s": 1e6]
        }
        return factors[word].map { number * $0 }
    }

    /// The outcome over the runs of one candidate: their median is judged.
    func outcome(of runs: [RunResult], candidate: String? = nil) -> ThresholdOutcome {
        let group = RunGroup(name: candidate ?? "", results: runs)
        let place = metric == .closeRate ? 0 : step ?? group.steps.max() ?? 0
        let values = group.sample(metric, at: place).values
        var outcome = ThresholdOutcome(expression: expression, candidate: candidate)
        guard let actual = OrderStatistics.median(values) else {
            outcome.text = missing(at: place)
            return outcome
        }
        outcome.actual = actual
        outcome.passed = !relation.holds(actual, bound)
        outcome.text =
            "\(metric.title(at: place)) is \(metric.text(actual))"
        return outcome
    }

    private func missing(at place: Int) -> String {
        if let step, step == place {
            return "\(metric.title) was not measured at \(Count.format(step)) connections"
        }
        return "\(metric.title) was not measured"
    }
}

/// What became of a threshold.
public struct ThresholdOutcome: Codable, Hashable, Sendable {
    public var expression: String
    /// Whose runs; absent in a single run.
    public var candidate: String?
    /// In nanoseconds, microseconds of processor time, bytes, or per second; absent: not measured.
    public var actual: Double?
    public var passed = false
    /// The figure in words, or why there is none.
    public var text = ""

    init(expression: String, candidate: String? = nil) {
        self.expression = expression
        self.candidate = candidate
    }

    /// `✓ p99@100k>5ms: echo p99 at 100,000 connections is 2.3 ms`.
    public var line: String {
        "\(passed ? "✓" : "✗") \(candidate.map { "\($0): " } ?? "")\(expression): \(text)"
    }
}

extension RunResult {
    /// Looks at thresholds; a run that is fine otherwise ends with 99 when one is missed.
    public mutating func judge(_ thresholds: [Threshold]) {
        guard !thresholds.isEmpty else { return }
        let outcomes = thresholds.map { $0.outcome(of: [self]) }
        self.thresholds = outcomes
        if exitCode == 0, outcomes.contains(where: { !$0.passed }) { exitCode = 99 }
    }
}
