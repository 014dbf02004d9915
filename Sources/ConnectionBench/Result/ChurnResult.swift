// What became of connections that were replaced: one after another, or all at once.

/// The three counts of connections, after something was done to them.
public struct ConnectionCount: Codable, Sendable {
    public var clientEstablished = 0
    public var serverAccepted = 0
    public var kernelCount: Int?
    /// All three agree with what should be held.
    public var verified = false

    init() {}

    init(_ step: StepResult) {
        clientEstablished = step.clientEstablished
        serverAccepted = step.serverAccepted
        kernelCount = step.kernelCount
        verified = step.verified
    }
}

/// Connections that ended and were replaced, while requests went on.
public struct ChurnResult: Codable, Sendable {
    public var wantedPerSecond: Double
    public var seconds: Double
    /// Connections that were ended, and fresh ones that took their places.
    public var closed = 0
    public var connected = 0
    /// Per second of the churn.
    public var closesPerSecond = 0.0
    public var connectsPerSecond = 0.0
    /// Of the fresh connections, from when they were due.
    public var connectLatency = LatencySummary()
    public var connectFailures: [String: Int] = [:]
    public var synRetries: SynRetries?
    /// The load meanwhile; absent with --probe 0.
    public var probe: ProbeResult?
    public var processor = ProcessorUse()
    public var held = ConnectionCount()

    init(_ shape: ChurnShape) {
        wantedPerSecond = shape.closesPerSecond
        seconds = shape.seconds
    }

    /// What it showed, for people.
    public var lines: [String] {
        var line =
            "churn: \(Count.format(Int(saturating: closesPerSecond.rounded()))) closes/s and"
            + " \(Count.format(Int(saturating: connectsPerSecond.rounded()))) connects/s of"
            + " \(Count.format(Int(saturating: wantedPerSecond.rounded()))) wanted, for"
            + " \(Decimal1.text(seconds)) s; connect \(connectLatency.words)"
        line += FailureText.of(connectFailures)
        if let probe, probe.latency.count > 0 { line += "; echo meanwhile \(probe.latency.words)" }
        return [line]
    }
}

/// All connections closed, and connected again at once.
public struct StormResult: Codable, Sendable {
    public var connections: Int
    /// Until the last one was gone on both sides.
    public var closeSeconds = 0.0
    /// From the moment when all were due until the last one was accepted.
    public var seconds = 0.0
    public var connectsPerSecond = 0.0
    /// From the moment when all were due.
    public var connectLatency = LatencySummary()
    public var connectFailures: [String: Int] = [:]
    public var synRetries: SynRetries?
    public var processor = ProcessorUse()
    public var held = ConnectionCount()

    init(connections: Int) {
        self.connections = connections
    }

    /// What it showed, for people.
    public var lines: [String] {
        [
            "storm: \(Count.format(connections)) closed in"
                + " \(DurationText.of(UInt64(saturating: closeSeconds * 1e9))), all back"
                + " \(DurationText.of(UInt64(saturating: seconds * 1e9))) after they were due at once"
                + " (\(Count.format(Int(saturating: connectsPerSecond)))/s); connect \(connectLatency.words)"
                + FailureText.of(connectFailures)
        ]
    }
}

private enum FailureText {
    static func of(_ failures: [String: Int]) -> String {
        let count = failures.values.reduce(0, +)
        guard count > 0 else { return ", none failed" }
        let names = failures.keys.sorted().joined(separator: ", ")
        return ", \(Count.format(count)) failed (\(names)) and were made again"
    }
}

extension LatencySummary {
    fileprivate var words: String {
        "p50 \(DurationText.of(p50Nanoseconds)), p99 \(DurationText.of(p99Nanoseconds)), at most"
            + " \(DurationText.of(maxNanoseconds))"
    }
}
