// What a soak is asked to do beyond holding its connections.

/// How long, how often looked at, and what ends meanwhile.
public struct SoakShape: Codable, Hashable, Sendable {
    /// How the connections of the churn end; the client begins it.
    public enum Closing: String, CaseIterable, Codable, Sendable {
        /// With a reset: nothing stays in TIME_WAIT.
        case reset
        /// In order: FIN from the client, and its TIME_WAIT.
        case fin
        /// In turns, a sample with resets after one with FIN.
        case mixed

        func isInOrder(sample: Int) -> Bool {
            switch self {
            case .reset: false
            case .fin: true
            case .mixed: sample % 2 == 1
            }
        }
    }

    public var seconds: Double
    /// From one look to the next.
    public var sampleSeconds: Double
    /// Connections that end and are replaced per second, the oldest first; 0: none.
    public var closesPerSecond: Double
    public var closing: Closing
    /// The longest that a loop may be late for the soak to pass; `nil`: it is only told.
    public var lagMaxSeconds: Double?

    public init(
        seconds: Double, sampleSeconds: Double? = nil, closesPerSecond: Double,
        closing: Closing = .mixed, lagMaxSeconds: Double? = nil
    ) {
        self.seconds = seconds
        self.sampleSeconds = sampleSeconds ?? Self.sampleSeconds(for: seconds)
        self.closesPerSecond = closesPerSecond
        self.closing = closing
        self.lagMaxSeconds = lagMaxSeconds
    }

    /// 1 to 10 s: some hundred looks, and a load that is seldom interrupted for one.
    static func sampleSeconds(for seconds: Double) -> Double {
        min(10, max(1, (seconds / 300).rounded()))
    }

    /// The part at the beginning that is not judged: memory that is touched for the first time, and
    /// with FIN the minute until as many connections leave TIME_WAIT as enter it.
    var warmupSeconds: Double {
        let hasTimeWait = closesPerSecond > 0 && closing != .reset
        return max(seconds / 10, hasTimeWait ? min(75, seconds / 2) : 0)
    }

    /// Replacements over the whole soak, each sample's share rounded up for each worker, with room
    /// for a sample more.
    func replacements(workers: Int) -> Int {
        guard closesPerSecond > 0 else { return 0 }
        let samples = Int((seconds / sampleSeconds).rounded(.up)) + 1
        let each = Int((closesPerSecond * sampleSeconds).rounded(.up)) + workers
        return samples * each
    }
}
