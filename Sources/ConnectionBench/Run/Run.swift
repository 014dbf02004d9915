// One run from the first look at the machine to the last closed connection.

import ConnectionEngine
import Glibc

/// Climbs to N connections in steps and measures at each, then takes everything down again.
///
/// Not to be used twice. Whatever happens, ``perform()`` returns a result that says what was
/// reached and what stopped it, and no child process is left.
public final class Run {
    let plan: RunPlan
    let progress: RunProgress
    let watch: RunWatch
    var result: RunResult
    var group: ProcessGroup?
    var baseline: Baseline?
    private let startedAt = MonotonicTime.now
    /// Time spent in the ramps of the steps so far, for the timeline.
    var rampSecondsBefore = 0.0

    /// What was there before the first connection.
    struct Baseline {
        let kernel: KernelMemory
        let sockets: SocketStatistics
        let network: NetworkCounters
    }

    public init(
        plan: RunPlan, tool: ToolFacts, commandLine: [String], progress: RunProgress
    ) throws {
        self.plan = plan
        self.progress = progress
        let host = HostFacts.read()
        watch = try RunWatch(
            floorBytes: plan.memoryFloorBytes
                ?? Preflight.floorBytes(memoryTotalBytes: host.memoryTotalBytes))
        result = RunResult(
            tool: tool, commandLine: commandLine, startedAt: WallClock.now, host: host, plan: plan)
    }

    public func perform() -> RunResult {
        do {
            HostSafety.volunteerForOutOfMemory()
            let backend = try chooseBackend()
            let target = try checkMachine(backend)
            try start(backend, target: target)
            for step in plan.steps where step <= target { try climb(to: step) }
            if plan.steps.last.map({ $0 > target }) ?? false {
                if !plan.steps.contains(target) { try climb(to: target) }
                throw wallReached(target)
            }
            if plan.sweeps { try sweep() }
            if plan.holdSeconds > 0 { try hold() }
            result.complete = true
            result.exitCode = 0
        } catch let stop as RunStop {
            stopped(stop.reason)
        } catch let error as ChildError {
            stopped(StopReason(kind: .childDied, message: "\(error)", exitCode: 1))
        } catch {
            stopped(StopReason(kind: .machineUnfit, message: "\(error)", exitCode: 1))
        }
        tearDown()
        finishResult()
        return result
    }

    private var sourcePorts: ClosedRange<UInt16> {
        guard let first = result.host.localPortFirst, let last = result.host.localPortLast,
            first <= last
        else { return SourceRange.ports(outsideOf: nil) }
        return SourceRange.ports(outsideOf: first...last)
    }

    private func stopped(_ reason: StopReason) {
        result.stopped = reason
        result.exitCode = reason.exitCode
    }

    // MARK: Before the start

    /// io_uring is tried out, not guessed: a filter or sysctl may forbid it.
    private func chooseBackend() throws -> BackendKind {
        if let backend = plan.backend, backend != .uring { return backend }
        var trial = Configuration(backend: .uring)
        trial.limits.connections = 16
        do throws(SystemError) {
            let engine = try Engine(trial) { _ in IdleHandler() }
            engine.stop()
            try engine.join()
            return .uring
        } catch {
            if plan.backend == .uring {
                throw RunStop(.machineUnfit, "\(error); or --backend epoll", exitCode: 69)
            }
            warn("fallback-backend", "epoll instead of io_uring: \(error)")
            return .epoll
        }
    }

    /// - Returns: how far the run may climb: N, or with `untilWall` the nearest wall.
    private func checkMachine(_ backend: BackendKind) throws -> Int {
        let available = try KernelMemory.memAvailable()
        let portCapacity = try TuplePlan(
            connections: 0, sources: SourceRange(seed: plan.seed, ports: sourcePorts),
            destinations: [.loopback(port: 1)]
        ).capacity
        let preflight = Preflight(
            facts: result.host, memoryAvailableBytes: available, backend: backend,
            portCapacity: portCapacity, floorBytes: plan.memoryFloorBytes)
        result.preflight = preflight
        let refusals = preflight.refusals(for: plan.connections)
        if refusals.isEmpty { return plan.connections }
        guard plan.untilWall else {
            throw RunStop(
                .wall, refusals[0] + "; --until-wall climbs as far as it is safe", exitCode: 77)
        }
        let wall = preflight.binding
        // Memory has a floor that is watched. Threads and pids the host needs too: some stay free.
        if wall.resource == .memory { return plan.connections }
        return max(1, wall.connectionsMax - HostSafety.connectionsKeptFree(of: wall.resource))
    }

    private func wallReached(_ reached: Int) -> RunStop {
        guard let wall = result.preflight?.binding else {
            return RunStop(.wall, "the wall is at \(Count.format(reached))", exitCode: 77)
        }
        return RunStop(
            .wall,
            "\(wall.origin) is \(wall.limitText) and allows \(Count.format(wall.connectionsMax))"
                + " connections (\(wall.formula)); stopped at \(Count.format(reached)), which"
                + " leaves the host some of it",
            exitCode: 77)
    }

    private func start(_ backend: BackendKind, target: Int) throws {
        let group = try ProcessGroup(
            plan, backend: backend, target: target, preflight: result.preflight,
            sourcePorts: sourcePorts, somaxconn: result.host.somaxconn, watch: watch)
        self.group = group
        result.layout = group.layout
        try group.startServers()
        try group.startClients()
        result.layout = group.layout
        baseline = Baseline(
            kernel: try KernelMemory.read(), sockets: try SocketStatistics.read(),
            network: try NetworkCounters.read())
        progress.say(
            "\(group.layout.backend.rawValue): \(group.servers.count) server and"
                + " \(group.clients.count) client process\(group.clients.count == 1 ? "" : "es"),"
                + " \(group.layout.workersPerProcess) worker(s) each")
        if !group.layout.fallbacks.isEmpty {
            warn(
                "missing-feature",
                "io_uring without \(group.layout.fallbacks.joined(separator: "; "))")
        }
    }

    // MARK: After the end

    private func finishResult() {
        result.memoryAvailableMinBytes = watch.availableMin == .max ? nil : watch.availableMin
        result.elapsedSeconds = MonotonicTime.now.seconds(since: startedAt)
        if let baseline, let now = try? NetworkCounters.read() {
            result.networkCounterChanges = now.since(baseline.network).tellingChanges
        }
        result.memory = MemorySlope(result.steps)
        result.ramp?.finish()
        addWarnings()
    }

    /// One warning for each id: the first.
    func warn(_ id: String, _ message: String) {
        if result.warnings.contains(where: { $0.id == id }) { return }
        result.warnings.append(RunWarning(id: id, message: message))
    }
}

/// A handler that does nothing: for trying a backend out.
struct IdleHandler: Handler {
    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {}
}
