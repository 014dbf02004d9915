// What connecting costs at each occupancy of the source ports: the record of `uring-bench ports`.

import ConnectionEngine

public struct PortStoryPlan: Codable, Sendable {
    /// Rows that the port range is divided into: one for each 5 %.
    static let parts = 20
    /// Each row has at least one port; source ports lie above those of the system.
    public static let portsAllowed = parts...64_512

    /// Source ports of the one address, all of which go to one destination.
    public var ports: Int
    /// After so long a strategy is cut off where it is.
    public var secondsPerStrategy: Double
    public var portFirst: UInt16
    public var portLast: UInt16
    public var source: String
    public var destination: String

    /// - Precondition: `ports` is within ``portsAllowed``.
    public init(ports: Int, secondsPerStrategy: Double) {
        precondition(Self.portsAllowed.contains(ports), "\(ports) ports")
        self.ports = ports
        self.secondsPerStrategy = secondsPerStrategy
        // Where Linux begins by default, as long as the range fits behind it.
        portFirst = UInt16(min(32_768, 65_536 - ports))
        portLast = UInt16(Int(portFirst) + ports - 1)
        source = Self.address.description
        destination = Self.listening.description
    }

    /// The client's only address.
    static let address = SocketAddress.loopback(port: 0)
    /// Below every range: a listener's port within it would be one source port less.
    static let listening = SocketAddress.loopback(port: 1_000)
}

/// One session. Times are nanoseconds or seconds, as their names say.
public struct PortStoryResult: Codable, Sendable {
    public static let schemaName = "uring-bench.ports"

    public var schema = PortStoryResult.schemaName
    public var schemaVersion = "1.0"
    public var tool: ToolFacts
    public var commandLine: [String]
    public var startedAt: String
    public var host: HostFacts
    public var plan: PortStoryPlan

    /// Every strategy that this kernel knows has come to its end, or to the end of its time.
    public var complete = false
    /// Why the session ended early; absent when it did not.
    public var stopped: StopReason?
    public var exitCode: Int32 = 1
    public var strategies: [PortClimbResult] = []
    /// Strategies that this kernel cannot do, and why.
    public var omitted: [Omission] = []
    public var elapsedSeconds = 0.0
    /// What spoils the figures.
    public var warnings: [RunWarning] = []

    public struct Omission: Codable, Sendable {
        public var strategy: PortStrategy
        public var reason: String
    }
}

/// How far one strategy came, and at which cost.
public struct PortClimbResult: Codable, Sendable {
    public enum End: String, Codable, Sendable {
        /// The kernel refused the next connect with EADDRNOTAVAIL: no source port is left.
        case exhausted
        case outOfTime
        case interrupted
        /// Something else failed; `errno` has it.
        case failed
    }

    public var strategy: PortStrategy
    public var explanation: String
    public var end: End
    /// The errno of the connect that ended it, such as `EADDRNOTAVAIL`.
    public var errno: String?
    /// Connections held at its end.
    public var connections: Int
    /// How many different source ports they have: as many, or the kernel is wrong.
    public var distinctPorts: Int
    /// Even source ports among the first half of all ports: all or none of them when one parity
    /// was used up first.
    public var evenPortsInFirstHalf: Int
    public var seconds: Double
    /// Processor time of the client's thread over the whole climb. It does the server's half of
    /// the handshake too, as always on loopback.
    public var userSeconds: Double
    public var systemSeconds: Double
    public var points: [Point]

    /// The connects that took the range from one occupancy to the next.
    public struct Point: Codable, Hashable, Sendable {
        /// Ports in use before and after, `connectionsTo` exclusive of the next point's.
        public var connectionsFrom: Int
        public var connectionsTo: Int
        /// Where the point would end if the strategy was not cut off in it.
        public var connectionsPlanned: Int
        /// `connectionsPlanned` as a part of all ports.
        public var occupancyPercent: Double
        /// From the first of these connects to the last, socket(2) included.
        public var seconds: Double
        public var connectsPerSecond: Double
        /// Of one connect: from the first call on a new socket to the end of connect(2). Exact, not
        /// from a histogram.
        public var medianNanoseconds: UInt64
        public var p99Nanoseconds: UInt64
        /// Processor time of the client's thread, user and system together.
        public var processorSeconds: Double
        public var processorMicrosecondsPerConnect: Double

        /// The strategy was not cut off within this point.
        public var isWhole: Bool { connectionsTo == connectionsPlanned }
    }
}
