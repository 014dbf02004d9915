// One run from the first look at the machine to the last closed connection.

import ConnectionEngine
import Glibc

/// Climbs to N connections in steps and measures at each, then takes everything down again.
///
/// Not to be used twice. Whatever happens, ``perform()`` returns a result that says what was
/// reached and what stopped it, no child process is left, and sysctls have their old values.
public final class Run {
    var plan: RunPlan { result.plan }
    let progress: RunProgress
    var result: RunResult
    var network: RunNetwork
    var watch: RunWatch
    var group: ProcessGroup?
    var baseline: Baseline?
    var calibration: Calibration?
    let startedAt: MonotonicTime
    let events: RunBroadcast
    let latestInterval = LatestInterval()
    /// Time spent in the ramps of the steps so far, for the timeline.
    var rampSecondsBefore = 0.0
    /// Of a soak, which takes the place of what a run does at its last step.
    let soak: SoakState?
    private var samplerThread: BackgroundThread?
    var shellProbe: ShellProbe?
    /// Of the values that this run has raised on the host.
    var journal: SysctlJournal?
    /// `max` of pids.events before the run, which counts since the group's birth.
    private(set) var controlGroupPidEventsBefore: Int?

    /// What was there before the first connection.
    struct Baseline {
        let kernel: KernelMemory
        let memory: UsableMemory
        let server: NetworkCounters
        /// In one namespace the same as the server's.
        let client: NetworkCounters
    }

    /// - Parameters:
    ///   - calibration: what a connection costs here, if that is known already.
    ///   - observers: hear of the run while it goes on.
    public convenience init(
        plan: RunPlan, tool: ToolFacts, commandLine: [String], progress: RunProgress,
        calibration: Calibration? = nil, observers: [any RunObserver] = []
    ) throws {
        try self.init(
            plan: plan, tool: tool, commandLine: commandLine, progress: progress,
            calibration: calibration, observers: observers, soak: nil)
    }

    init(
        plan: RunPlan, tool: ToolFacts, commandLine: [String], progress: RunProgress,
        calibration: Calibration? = nil, observers: [any RunObserver] = [], soak: SoakState?
    ) throws {
        self.soak = soak
        startedAt = .now
        let live = progress.isLive ? [latestInterval] : []
        events = RunBroadcast(observers + live, startedAt: startedAt)
        self.progress = progress
        self.calibration = calibration
        let total = try UsableMemory.read().totalBytes
        // A climb to the wall may end anywhere below what memory allows.
        let expected =
            plan.climbsToWall ? total / ConnectionCost(.uring).bytesPerConnection : plan.connections
        let network = try RunNetwork(plan, connections: expected)
        self.network = network
        let host = network.asClient { HostFacts.read() }
        result = RunResult(
            tool: tool, commandLine: commandLine, startedAt: WallClock.now, host: host, plan: plan)
        controlGroupPidEventsBefore = ControlGroup(files: HostFiles(root: "")).pidEvents()
        let sampler = try Run.sampler(host, plan, calibration, events)
        watch = try RunWatch(sampler)
        // A thread keeps the namespace that it was begun in, and reads that one's sysctls.
        samplerThread = try network.asServer { try sampler.start() }
    }

    private static func sampler(
        _ host: HostFacts, _ plan: RunPlan, _ calibration: Calibration?, _ events: RunBroadcast
    ) throws -> HostSampler {
        let cost = ConnectionCost(plan.backend ?? .uring, calibration: calibration)
        let group = host.controlGroupMemory.flatMap { $0.limit.value == nil ? nil : $0 }
        return HostSampler(
            limits: GovernorLimits(
                floorBytes: plan.memoryFloorBytes
                    ?? Preflight.floorBytes(memoryTotalBytes: host.memoryTotalBytes),
                controlGroupFloorBytes: group?.limit.value.map {
                    GovernorLimits.controlGroupFloor(limit: $0)
                } ?? 0, bytesPerConnection: cost.bytesPerConnection,
                chargedBytesPerConnection: cost.chargedBytesPerConnection),
            baseline: try UsableMemory.read(), controlGroup: group, events: events)
    }

    public func perform() -> RunResult {
        events.send(.started(result))
        do {
            HostSafety.volunteerForOutOfMemory()
            let backend = try chooseBackend()
            if plan.climbsToWall, calibration == nil { calibration = try calibrate(backend) }
            let climb = try checkMachine(backend)
            try start(backend, climb)
            for step in climb.steps { try self.climb(to: step) }
            if let last = climb.last { try meetWall(last) }
            if let soak { try self.soak(soak) } else { try tryWhatIsHeld() }
            result.complete = true
            result.exitCode = 0
        } catch let stop as RunStop {
            stopped(stop.reason)
        } catch let stop as GovernorStop {
            // In a phase that adds nothing: what is held is too much for the host as it is now.
            stopped(governed(stop))
        } catch let error as ChildError {
            stopped(StopReason(kind: .childDied, message: "\(error)", exitCode: 1))
        } catch {
            stopped(StopReason(kind: .machineUnfit, message: "\(error)", exitCode: 1))
        }
        tearDown()
        restoreLimits()
        progress.endLine()
        finishResult()
        events.send(.ended(result))
        return result
    }

    /// At the last step.
    private func tryWhatIsHeld() throws {
        try churn()
        try storm()
        if plan.sweeps { try sweep() }
        if plan.holdSeconds > 0 { try hold() }
    }

    private func stopped(_ reason: StopReason) {
        result.stopped = reason
        result.exitCode = reason.exitCode
    }

    // MARK: After the end

    private func finishResult() {
        watch.sampler.stop()
        samplerThread?.join()
        result.shellProbe = shellProbe?.finish()
        let sampled = watch.sampler.current
        result.memoryUsableMinBytes = sampled.usableMin == .max ? nil : sampled.usableMin
        result.governor = sampled.transitions
        result.samples = sampled.samples
        result.samplerShare = sampled.ownSeconds / max(sampled.elapsedSeconds, 1e-9)
        result.schedulingDelayMaxSeconds = sampled.delayMax
        if baseline != nil, let changes = networkChanges() {
            result.networkCounterChanges = changes.server
            if !network.isShared { result.clientNetworkCounterChanges = changes.client }
        }
        result.memory = MemorySlope(result.steps)
        result.ramp?.finish()
        if result.verdict == nil {
            result.finding = Slowdown(result)?.verdict ?? Churn.verdict(result)
        }
        addWarnings()
        result.elapsedSeconds = MonotonicTime.now.seconds(since: startedAt)
    }

    /// What the counters of both sides have done since the start.
    func networkChanges() -> (server: [String: Int], client: [String: Int])? {
        guard let baseline, let server = try? network.asServer({ try NetworkCounters.read() }),
            let client = try? network.asClient({ try NetworkCounters.read() })
        else { return nil }
        return (
            server.since(baseline.server).tellingChanges,
            client.since(baseline.client).tellingChanges
        )
    }

    /// One warning for each id: the first.
    func warn(_ id: String, _ message: String) {
        if result.warnings.contains(where: { $0.id == id }) { return }
        let warning = RunWarning(id: id, message: message)
        result.warnings.append(warning)
        events.send(.warning(warning, seconds: events.seconds))
    }

    /// The next phase begins: for the lines on a terminal and for those who follow the run.
    func begin(_ phase: RunPhase, target: Int? = nil) {
        progress.beginPhase()
        events.begin(phase, target: target)
    }

    func add(_ step: StepResult) {
        result.steps.append(step)
        events.send(.step(step, seconds: events.seconds))
    }
}

/// A handler that does nothing: for trying a backend out.
struct IdleHandler: Handler {
    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {}
}
