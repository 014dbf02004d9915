// What a soak leaves behind: every series over time, what is said of each, and what had to be exact.

import ConnectionEngine

/// One soak, under the names and units of a run's result where the two have something in common.
public struct SoakResult: Codable, Sendable {
    public static let schemaName = "uring-bench.soak"

    /// What a soak says in one word; the raw value is what the table prints.
    public enum Status: String, Codable, CaseIterable, Sendable {
        /// All is flat or falls, all checks held, nothing was lost.
        case pass = "PASS"
        /// A series rises, or something was not given back.
        case leak = "LEAK"
        /// Connections ended unasked, or an answer was wrong.
        case lost = "LOST"
        /// Nothing was wrong but that a loop was late.
        case late = "LATE"
        /// Nothing was wrong, and the time was too short for some series.
        case cannotTell = "CANNOT TELL"
        /// It ended before its time.
        case incomplete = "INCOMPLETE"
    }

    public var schema = SoakResult.schemaName
    public var schemaVersion = "1.0"
    public var tool: ToolFacts
    public var commandLine: [String]
    public var startedAt: String
    public var host: HostFacts
    public var plan: RunPlan
    public var soak: SoakShape
    public var layout: RunLayout?

    public var status = Status.incomplete
    /// It ran for as long as it was asked to, and everything was closed after it.
    public var complete = false
    public var stopped: StopReason?
    public var exitCode: Int32 = 1
    public var warnings: [RunWarning] = []

    /// The way up to the connections that were held.
    public var ramp: StepResult?
    /// Once on every connection, after the soak.
    public var sweep: SweepResult?
    /// From the first request to the last look.
    public var seconds = 0.0
    /// Of these, the beginning that is not judged.
    public var warmupSeconds = 0.0
    public var load = SoakLoad()
    public var lag = SoakLag()
    public var checks: [SoakCheck] = []
    /// Looks, and how many of them a row of the series stands for.
    public var samples = 0
    public var samplesPerRow = 1
    /// Of the rows, in seconds since the first request: the middle of what a row stands for.
    public var times: [Double] = []
    public var series: [SoakSeries] = []
    /// By cache, from the end of the warm-up to the last look.
    public var slabGrowth: KernelMemoryGrowth?
    public var serverCounters: Counters?
    public var clientCounters: Counters?
    public var networkCounterChanges: [String: Int] = [:]
    public var governor: [GovernorTransition] = []
    public var teardown: TeardownResult?
    public var elapsedSeconds = 0.0
}

/// What was asked and answered in a whole soak.
public struct SoakLoad: Codable, Hashable, Sendable {
    public var due = 0
    public var sent = 0
    public var answered = 0
    /// Requests that nobody answered in time, or that could not be sent.
    public var unanswered = 0
    public var wrongAnswers = 0
    /// Connections of the churn that were ended, and those that took their places.
    public var retired = 0
    public var replaced = 0
    public var connectFailures: [String: Int] = [:]
    /// Connections that ended though nobody asked, and why.
    public var closesUnasked = 0
    public var losses: [String: Int] = [:]
    /// From the due time.
    public var latency = LatencySummary()
    public var connectLatency = LatencySummary()
    /// Looks before which the client was the bottleneck.
    public var clientBoundSamples = 0

    mutating func add(_ slice: SliceLoad) {
        due += slice.due
        sent += slice.sent
        answered += slice.answered
        unanswered += slice.censored
        retired += slice.retired
        replaced += slice.replaced
        if slice.isClientBound == true { clientBoundSamples += 1 }
    }
}

/// How late the loops were: from when a turn was wanted to when it came.
public struct SoakLag: Codable, Hashable, Sendable {
    /// Of the worst sample. Of buckets an eighth of an octave wide, the upper end.
    public var serverMaxNanoseconds: UInt64?
    /// The largest of the samples' 99th percentiles.
    public var serverP99Nanoseconds: UInt64?
    public var client = LatencySummary()
    /// From when a request was due to the turn that sent it, where a connection was free for it.
    public var send = LatencySummary()

    mutating func add(server lag: LiveLatency.Counts) {
        serverMaxNanoseconds = Self.larger(serverMaxNanoseconds, lag.highest)
        serverP99Nanoseconds = Self.larger(
            serverP99Nanoseconds, lag.value(atPercentile: 99))
    }

    private static func larger(_ one: UInt64?, _ other: UInt64?) -> UInt64? {
        [one, other].compactMap { $0 }.max()
    }

    public var maxNanoseconds: UInt64 {
        max(serverMaxNanoseconds ?? 0, client.maxNanoseconds)
    }
}

/// One figure over time.
public struct SoakSeries: Codable, Hashable, Sendable {
    public var name: String
    public var unit: SoakColumn.Unit
    /// How a row's value comes from several looks.
    public var merge: SampleTable.Merge
    /// A value for each of the result's times; null: it could not be read.
    public var values: [Double?]
    /// Absent: it is recorded, and not judged.
    public var verdict: SeriesVerdict?

    /// - Parameters:
    ///   - start: what lies before is warm-up.
    ///   - spacing: seconds from one value to the next.
    init(
        _ column: SoakColumn, times: [Double], values: [Double?], from start: Double,
        spacing: Double
    ) {
        name = column.name
        unit = column.unit
        merge = column.merge
        self.values = values
        guard let tolerance = column.tolerance else { return }
        let known = zip(times, values).compactMap { time, value in
            value.flatMap { time >= start ? (time: time, value: $0) : nil }
        }
        verdict = SeriesVerdict(
            times: known.map(\.time), values: known.map(\.value), tolerance,
            sampleSeconds: spacing)
    }

    /// The first and the last judged value.
    func ends(_ times: [Double], from start: Double) -> (first: Double, last: Double)? {
        let judged = zip(times, values).compactMap { time, value in
            time >= start ? value : nil
        }
        return judged.first.flatMap { first in judged.last.map { (first, $0) } }
    }
}
