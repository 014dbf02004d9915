// How a run loads its connections: when requests are sent, to which of them, and how large.

/// The shape of the load. Every default is the plain case: an open loop at a constant rate over all
/// connections in turn, one request outstanding on each, all of one size.
public struct LoadShape: Codable, Hashable, Sendable {
    public enum Loop: String, CaseIterable, Codable, Sendable {
        /// Requests are due by a schedule, whatever the answers do.
        case open
        /// A connection sends its next request when the answer to the last one has come.
        case closed
    }

    public enum Arrivals: String, CaseIterable, Codable, Sendable {
        /// Equally spaced.
        case constant
        /// A Poisson process: independent of each other, as those of many users are.
        case poisson
    }

    public var loop = Loop.open
    /// Of the open loop.
    public var arrivals = Arrivals.constant
    /// Requests that are due together, at the same mean rate; of the open loop.
    public var burst = 1
    /// The part of the connections that is sent to, more than 0 and up to 1; the others stay idle.
    public var activeFraction = 1.0
    /// Requests that may be outstanding on one connection.
    public var pipelining = 1
    /// Sizes of requests and answers; `nil`: all have the plan's `messageByteCount`.
    public var messages: MessageSizes?
    /// Seconds at the start of each probe whose requests are sent and not recorded.
    public var warmupSeconds = 0.2
    /// Connections that are replaced by fresh ones at the last step.
    public var churn: ChurnShape?
    /// At the last step everything is closed and connects again at once.
    public var storms = false
    public var server = ServerShape()

    public init() {}

    /// A connection's state has 7 bits for the number.
    public static let pipeliningMax = 100

    /// Connections of `count` that are busy, at least one.
    public func active(of count: Int) -> Int {
        min(count, max(1, Int(saturating: (Double(count) * activeFraction).rounded())))
    }

    /// Connections that take the places of others, each with a tuple of its own.
    func replacements(of connections: Int, workers: Int) -> Int {
        (churn?.replacements(workers: workers) ?? 0) + (storms ? connections : 0)
    }

    /// What differs from the plain case, in words; empty when nothing does.
    public var words: [String] {
        var words: [String] = []
        if loop == .closed { words.append("closed loop") }
        if arrivals == .poisson { words.append("Poisson arrivals") }
        if burst > 1 { words.append("bursts of \(Count.format(burst))") }
        if activeFraction < 1 { words.append("\(percentText) of the connections active") }
        if pipelining > 1 { words.append("up to \(pipelining) requests on a connection") }
        if let churn {
            words.append("churn of \(Decimal1.text(churn.closesPerSecond)) connections/s")
        }
        if storms { words.append("a reconnect storm") }
        return words + server.words
    }

    private var percentText: String {
        let percent = activeFraction * 100
        return percent == percent.rounded() ? "\(Int(saturating: percent)) %" : "\(percent) %"
    }
}

extension RunPlan {
    /// The load of a probe, with what makes it another than the plain one.
    var loadWords: String {
        let rate =
            load.loop == .open
            ? "\(Count.format(Int(saturating: requestsPerSecond))) requests/s" : "requests"
        let size = load.messages?.words ?? "\(Count.format(messageByteCount)) B"
        return (["\(rate) of \(size) per probe"] + load.words).joined(separator: ", ")
    }
}

extension KeyedDecodingContainer {
    /// A plan from before there were shapes was a plain load without a warm-up.
    func decode(_ type: LoadShape.Type, forKey key: Key) throws -> LoadShape {
        if let shape = try decodeIfPresent(type, forKey: key) { return shape }
        var plain = LoadShape()
        plain.warmupSeconds = 0
        return plain
    }
}

/// Connections that end and are replaced while the others stay.
public struct ChurnShape: Codable, Hashable, Sendable {
    /// Connections that end per second, over all clients together, evenly spaced, the oldest first.
    /// Each of N lives for N divided by this.
    public var closesPerSecond: Double
    public var seconds: Double

    public init(closesPerSecond: Double, seconds: Double) {
        self.closesPerSecond = closesPerSecond
        self.seconds = seconds
    }

    /// Connections that are replaced, rounded up for each of the workers.
    func replacements(workers: Int) -> Int {
        Int(saturating: (closesPerSecond * seconds).rounded(.up)) + workers
    }
}

/// What the echo server does besides echoing, to test a measurement or for realism.
public struct ServerShape: Codable, Hashable, Sendable {
    /// The processor time of each piece that the server has received, before it is echoed.
    public var workMicroseconds = 0
    public var stall: Stall?

    /// A pause of a worker in which it does nothing at all.
    public struct Stall: Codable, Hashable, Sendable {
        public var seconds: Double
        /// From the start of one stall to the start of the next.
        public var periodSeconds: Double

        public init(seconds: Double, periodSeconds: Double) {
            self.seconds = seconds
            self.periodSeconds = periodSeconds
        }
    }

    public init() {}

    var words: [String] {
        var words: [String] = []
        if workMicroseconds > 0 {
            words.append("\(Count.format(workMicroseconds)) µs of server work per request")
        }
        if let stall {
            words.append(
                "server stalls of \(DurationText.of(UInt64(saturating: stall.seconds * 1e9))) every"
                    + " \(DurationText.of(UInt64(saturating: stall.periodSeconds * 1e9)))")
        }
        return words
    }
}
