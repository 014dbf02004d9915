// What a run leaves behind: everything it was asked, everything it measured, raw counters first.

import ConnectionEngine

/// One run. Durations are whole nanoseconds or seconds with the unit in the name.
public struct RunResult: Codable, Sendable {
    public static let schemaName = "uring-bench.result"

    public var schema = RunResult.schemaName
    public var schemaVersion = "1.3"
    public var tool: ToolFacts
    public var commandLine: [String]
    public var startedAt: String
    public var host: HostFacts
    public var plan: RunPlan
    public var layout: RunLayout?
    public var preflight: Preflight?

    /// The run reached its last step, and nothing was wrong with it.
    public var complete = false
    /// Sysctls that were raised for this run; `host` is what was read after that.
    public var appliedChanges: [AppliedChange] = []
    /// Why it ended early; absent when it did not.
    public var stopped: StopReason?
    /// What ended a climb before its target, with the proof.
    public var verdict: Verdict?
    /// What held a run back that reached its target all the same.
    public var finding: Verdict?
    /// Where the wall was expected, and where it was.
    public var prediction: Prediction?
    /// What the verdict was made from.
    public var evidence: Evidence?
    public var exitCode: Int32 = 1
    public var warnings: [RunWarning] = []
    /// What became of each --fail-if; absent when there was none.
    public var thresholds: [ThresholdOutcome]?

    public var steps: [StepResult] = []
    /// At the last step, where the load asks for them.
    public var churn: ChurnResult?
    public var storm: StormResult?
    public var sweep: SweepResult?
    public var hold: HoldResult?
    public var ramp: RampTimeline?
    public var memory: MemorySlope?
    public var teardown: TeardownResult?
    public var serverCounters: Counters?
    public var clientCounters: Counters?
    /// Kernel network counters that changed between the start and the end, as in nstat(8).
    public var networkCounterChanges: [String: Int] = [:]
    /// The same of the clients' namespace, where that is another one.
    public var clientNetworkCounterChanges: [String: Int]?
    /// The least memory that was left to use, see ``UsableMemory``.
    public var memoryUsableMinBytes: Int?
    /// Changes of the governor's level.
    public var governor: [GovernorTransition] = []
    /// The host once a second.
    public var samples: [HostSample] = []
    /// Part of one processor that the sampler took, and by how much it woke late at worst.
    public var samplerShare = 0.0
    public var schedulingDelayMaxSeconds = 0.0
    /// How the host felt for others, in a climb to the wall.
    public var shellProbe: ShellResponse?
    public var elapsedSeconds = 0.0

    /// The machine as the processes see it: what they have given up does not help them.
    var hostOfChildren: HostFacts {
        guard let privileges = layout?.privileges, privileges.dropped else { return host }
        var facts = host
        // What is kept opens neither files nor threads beyond the limits.
        facts.capabilities = 0
        facts.effectiveUser = privileges.userID
        return facts
    }

    /// What a counter has done on either side; in one namespace both are the same.
    func counted(_ name: String) -> Int {
        max(
            networkCounterChanges[name, default: 0],
            clientNetworkCounterChanges?[name] ?? 0)
    }
}

public struct ToolFacts: Codable, Sendable {
    public var version: String
    /// The commit that the checkout was at in which the executable was built; absent elsewhere.
    public var commit: String?
    public var buildMode: String
    public var compiler: String
    /// The file that ran, so that a comparison can find it again.
    public var executable: ExecutableIdentity?

    public init(
        version: String, commit: String?, buildMode: String, compiler: String,
        executable: ExecutableIdentity? = nil
    ) {
        self.version = version
        self.commit = commit
        self.buildMode = buildMode
        self.compiler = compiler
        self.executable = executable
    }

    /// What the tool itself spoils in every result.
    var warnings: [RunWarning] {
        guard buildMode == "debug" else { return [] }
        return [
            RunWarning(
                id: "debug-build", message: "a debug build was measured: build with -c release")
        ]
    }
}

/// How the plan was carried out.
public struct RunLayout: Codable, Sendable {
    public var backend: BackendKind
    public var processesPerSide: Int
    public var workersPerProcess: Int
    public var pinning: Pinning
    public var serverProcesses: [Int32] = []
    public var clientProcesses: [Int32] = []
    public var listening: [String] = []
    /// Kernel features that were missing or masked, and done without.
    public var fallbacks: [String] = []
    /// What the processes may do; absent in results of older versions.
    public var privileges: ChildPrivileges?
}

public struct StopReason: Codable, Hashable, Sendable {
    public enum Kind: String, Codable, Sendable {
        case wall, interrupted, childDied, stalled, unverified, machineUnfit
    }

    public var kind: Kind
    /// One sentence with the numbers, and what to do.
    public var message: String
    public var exitCode: Int32
}

/// Something that spoils or explains a result. The id is stable, the text is for people.
public struct RunWarning: Codable, Hashable, Sendable {
    public var id: String
    public var message: String
}

/// Processor time in seconds over one phase, and what was switched.
public struct ProcessorUse: Codable, Sendable {
    public var elapsedSeconds = 0.0
    public var serverSeconds = 0.0
    public var clientSeconds = 0.0
    public var machine: MachineUsage?
    public var serverSwitches = 0
    public var clientSwitches = 0
}

public struct StepResult: Codable, Sendable {
    public var connections: Int
    /// The three counts, and whether they agree with `connections`.
    public var clientEstablished = 0
    public var serverAccepted = 0
    public var kernelCount: Int?
    public var verified = false

    /// When the first connect of this step was due, since the start of the run.
    public var rampStartSeconds: Double?
    /// From the first connect of this step to the last accept.
    public var rampSeconds = 0.0
    public var connectionsAdded = 0
    public var connectsPerSecond = 0.0
    /// From when a connect was due.
    public var connectLatency = LatencySummary()
    /// All of it, see ``LatencyHistogram/base64``.
    public var connectHistogram: String?
    public var connectFailures: [String: Int] = [:]
    /// Connects whose SYN had to be sent again.
    public var synRetries: SynRetries?
    public var rampProcessor = ProcessorUse()

    public var probe: ProbeResult?

    public var kernelMemory: KernelMemoryGrowth?
    public var kernelBytesPerConnection: Double?
    public var serverUserBytes: Int?
    public var clientUserBytes: Int?
    public var userBytesPerConnection: Double?
    public var memoryAvailableBytes: Int?
    /// Without what sockets pin of MemAvailable.
    public var memoryUsableBytes: Int?
    public var controlGroupUsedBytes: Int?
    /// Entries of the firewall's table, of all programs in the servers' namespace.
    public var conntrackCount: Int?
    /// Threads that io_uring made for requests it could not do asynchronously: should be 0.
    public var ioWorkerThreads = 0
}

public struct ProbeResult: Codable, Sendable {
    /// 0: a closed loop, which offers what its answers allow.
    public var offeredPerSecond: Double
    /// Of the measured part, without the warm-up.
    public var seconds: Double
    /// When it began, since the start of the run.
    public var startSeconds: Double?
    public var due = 0
    public var sent = 0
    public var answered = 0
    public var censored = 0
    public var wrongAnswers = 0
    /// From the due time; requests without an answer count with the time they have waited.
    public var latency = LatencySummary()
    /// All of it, see ``LatencyHistogram/base64``.
    public var histogram: String?
    public var processor = ProcessorUse()
    public var serverMicrosecondsPerEcho: Double?
    /// Whether the client kept to its own schedule; absent: nothing was measured.
    public var generator: GeneratorProof?
}

public struct SweepResult: Codable, Sendable {
    /// When it began, since the start of the run; so in the hold and the teardown.
    public var startSeconds: Double?
    /// Connections that have answered at least one request in full, every byte right.
    public var connectionsEchoed = 0
    public var neverEchoed = 0
    public var wrongAnswers = 0
    public var seconds = 0.0
    public var echoesPerSecond = 0.0
    /// Closed loop: too small under load, and here only for the order of magnitude.
    public var closedLoopLatency = LatencySummary()
    public var processor = ProcessorUse()
}

public struct HoldResult: Codable, Sendable {
    public var startSeconds: Double?
    public var seconds: Double
    public var connectionsLost: Int
    public var processor: ProcessorUse
}

/// Connections over time, over the whole run without the pauses between the steps.
public struct RampTimeline: Codable, Sendable {
    /// Time spent connecting, when every further 1,000 existed.
    public var points: [Point] = []
    public var firstPartPerSecond: Double?
    public var lastPartPerSecond: Double?
    /// Connections in each of the two parts: 100,000, or a fifth of a smaller run.
    public var partConnections = 0
    public var lastToFirstRatio: Double?

    public struct Point: Codable, Sendable {
        public var connections: Int
        public var seconds: Double
    }
}

/// Bytes per connection as the slope of a line through the steps, not the end divided by N.
public struct MemorySlope: Codable, Sendable {
    public var kernelBytesPerConnection: Double?
    public var userBytesPerConnection: Double?
    public var kernelSource: String?
}

public struct TeardownResult: Codable, Sendable {
    public var startSeconds: Double?
    public var connections = 0
    public var seconds = 0.0
    public var closesPerSecond = 0.0
    /// The longest time without a connection ending while there were some, seen every few ms.
    public var longestStallSeconds = 0.0
    public var processor = ProcessorUse()
    /// From the last close until kernel memory was back within 5 % of its growth; absent: it was
    /// not, within the time allowed.
    public var memoryBackSeconds: Double?
    public var kernelBytesLeft: Int?
    /// Connections in TIME_WAIT right after the last close, of all programs in the namespace.
    public var timeWait: Int?
    public var childrenKilled = 0
}
