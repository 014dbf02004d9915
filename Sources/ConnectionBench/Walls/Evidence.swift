// Everything that was seen when a climb stopped: what a verdict is made from.

import ConnectionEngine

/// Figures of one moment, of both sides and the host. A `nil` was not to be read.
public struct Evidence: Codable, Sendable {
    public var backend: BackendKind
    /// Connections that the clients have, and that the servers have accepted.
    public var clientOpen = 0
    public var serverOpen = 0
    /// How many were wanted when it stopped.
    public var target = 0
    /// Connects on their way, without an answer.
    public var opening = 0
    /// Seconds without any progress.
    public var stalledSeconds = 0.0

    /// Failed connects by errno name.
    public var connectErrors: [String: Int] = [:]
    /// Connections that broke by themselves, by errno name, as each side saw it.
    public var clientLosses: [String: Int] = [:]
    public var serverLost = 0
    public var serverLossErrno: String?
    public var server = Counters()
    public var client = Counters()

    /// nstat(8)'s counters of each side since the start. In one namespace both are the same.
    public var serverNetwork: [String: Int] = [:]
    public var clientNetwork: [String: Int] = [:]
    public var timeWait = 0
    public var tcpMemoryPages = 0
    public var conntrackCount: Int?
    public var conntrackMax: Int?
    /// Packets that the connection table refused or threw out for lack of room.
    public var conntrackDrops: Int?

    public var memoryUsableBytes = 0
    public var memoryFloorBytes = 0
    public var bytesPerConnection: Int?
    public var controlGroupMemory: ControlGroupLimit?
    /// Times that the group's limit was met: `memory.failcnt`, or `max` of `memory.events`.
    public var controlGroupMemoryEvents: Int?
    public var controlGroupPids: ControlGroupLimit?
    public var controlGroupPidEvents: Int?

    public var threadsUsed: Int?
    /// Of this user alone.
    public var userThreadsUsed: Int?
    public var systemFilesUsed: Int?
    /// Descriptors and mappings of the fullest process of each side.
    public var serverDescriptors: Int?
    public var clientDescriptors: Int?
    public var serverMaps: Int?
    public var clientMaps: Int?
    /// Names of processes that are stopped (state T).
    public var stoppedServers: [String] = []
    public var stoppedClients: [String] = []

    /// Part of all processors that was busy in the last phase, 0 to 1, and that was stolen.
    public var busyShare: Double?
    public var stealShare: Double?
    /// What the governor did, if it was what ended the climb.
    public var governor: GovernorTransition?

    public init(backend: BackendKind) {
        self.backend = backend
    }
}
