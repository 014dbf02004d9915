// What a run is asked to do: every choice, with its default.

import ConnectionEngine

/// How workers are tied to processors.
public enum Pinning: String, CaseIterable, Codable, Sendable {
    /// Wherever the kernel likes.
    case none
    /// Worker i of each side on processor i: a connection's two ends share a processor.
    case spread
    /// Servers on the first half of the processors, clients on the second.
    case split
}

/// How connections end at the end of the run.
public enum Teardown: String, CaseIterable, Codable, Sendable {
    /// With a reset: nothing stays in TIME_WAIT.
    case reset
    /// In order: FIN from the client, TIME_WAIT on the client's side.
    case fin
}

public struct RunPlan: Codable, Sendable {
    /// `nil`: io_uring where it works, else epoll.
    public var backend: BackendKind?
    /// Connections to reach; of a climb to the wall, what was predicted.
    public var connections: Int
    public var steps: [Int]
    /// Climb to the first wall that cannot be passed, wherever it is.
    public var climbsToWall = false
    /// Go on although a wall is predicted, and meet it.
    public var ignoresWalls = false
    /// Raise sysctls that are in the way, and put them back at the end.
    public var raisesLimits = false
    /// Requests per second of a probe, over all connections together.
    public var requestsPerSecond = 10_000.0
    /// Of a distribution in ``load`` the largest.
    public var messageByteCount = 64
    /// How requests are sent.
    public var load = LoadShape()
    public var bufferByteCount = 2_048
    public var probeSeconds = 2.0
    public var holdSeconds = 2.0
    /// Connects on their way at once, over all client workers together.
    public var connectWindow = 512
    /// Seconds without any progress after which connecting is given up; `nil`: 20.
    public var stallSeconds: Double?
    /// Connects per second, together; `nil`: as fast as they go.
    public var connectsPerSecond: Double?
    /// Workers on each side; `nil`: one per processor, or one per process if there are more.
    public var workers: Int?
    public var pinning: Pinning?
    public var idleMode = IdleMode.adaptive
    public var teardown = Teardown.reset
    /// The first listening port; 0: the kernel chooses.
    public var port: UInt16 = 0
    /// Chooses the source addresses; another one for each run avoids what TIME_WAIT still holds.
    public var seed: UInt64
    /// Climb to the first wall although N cannot be reached.
    public var untilWall = false
    public var sourcePorts = SourcePorts.planned
    /// Sources may be in TIME_WAIT: of an earlier run with the same seed. Fresh ones need no care.
    public var reusesSourcePorts = false
    /// Planned source ports; `nil`: outside of the kernel's own range.
    public var sourcePortFirst: UInt16?
    public var sourcePortLast: UInt16?
    /// Planned source addresses; `nil`: as many as needed.
    public var sourceAddresses: Int?
    /// Processes per side at most; `nil`: as many as the limit of open files asks for.
    public var processes: Int?
    /// Connections that may wait to be accepted, per listener.
    public var backlog: Int?
    /// Connects wait while the servers' accepts are behind.
    public var pacesAccepts = true
    public var isolation = Isolation.none
    /// Sysctls of the run's own namespaces.
    public var sysctls: [String: String] = [:]
    /// Available memory in bytes at which the ramp stops; `nil`: 8 % of all, at least 1 GiB.
    public var memoryFloorBytes: Int?
    public var maskedFeatures: [String] = []
    /// Servers and clients stay root, when they are started so; `nil`: they become ``user``.
    public var keepsPrivileges: Bool?
    /// Whom they become, a name or a number; `nil`: nobody.
    public var user: String?
    /// Leave the sweep at the last step out, so that only the ramp is timed.
    public var sweeps = true

    public init(connections: Int, steps: [Int], seed: UInt64) {
        self.connections = connections
        self.steps = steps
        self.seed = seed
    }
}
