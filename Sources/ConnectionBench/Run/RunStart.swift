// Before the first connection: which backend, how far, and the processes.

import ConnectionEngine
import Glibc

/// How far a run goes.
struct Climb {
    /// Steps that are measured on the way.
    var steps: [Int]
    /// The last stretch, up to a wall; `nil`: the last step is the end.
    var last: LastStretch?

    struct LastStretch {
        /// Where the wall was predicted.
        let wall: Wall
        /// What to climb to: beyond the wall, or before it where others need the resource too.
        let target: Int
        /// The wall shall be met.
        let meets: Bool
    }

    /// The connections that the processes must be able to hold.
    var target: Int { last?.target ?? steps.last ?? 0 }
}

extension Run {
    /// io_uring is tried out, not guessed: a filter or sysctl may forbid it.
    func chooseBackend() throws -> BackendKind {
        if let backend = plan.backend, backend != .uring { return backend }
        do throws(SystemError) {
            try URingTrial.run()
            return .uring
        } catch {
            if plan.backend == .uring {
                result.verdict = Verdict(
                    .ioUring, .host, .high,
                    proof: ["\(error.call) failed with \(error.errno.name)"],
                    remedy: error.remedy.isEmpty ? "--backend epoll" : error.remedy)
                throw RunStop(.machineUnfit, "\(error); or --backend epoll", exitCode: 69)
            }
            warn("fallback-backend", "epoll instead of io_uring: \(error)")
            return .epoll
        }
    }

    /// A short run that says what a connection costs; its processes are gone when it ends.
    func calibrate(_ backend: BackendKind) throws -> Calibration? {
        begin(.calibrate)
        defer { begin(.prepare) }
        progress.say("calibrating \(backend.rawValue) with a few thousand connections")
        let preflight = try forecast(backend)
        do {
            return try Calibration.measure(
                backend, like: plan, within: preflight.roomForCalibration(result.host),
                tool: result.tool)
        } catch let error as CalibrationError {
            if error.isInterrupted { throw RunStop(.interrupted, error.description, exitCode: 130) }
            warn("not-calibrated", "costs are from a table: \(error)")
            return nil
        }
    }

    func forecast(_ backend: BackendKind) throws -> Preflight {
        let workers = plan.workers ?? ProcessGroup.workers(processes: plan.processes ?? 1)
        return try network.asClient {
            try Preflight.read(
                plan, facts: result.host, backend: backend, workers: workers,
                sources: network.sources, calibration: calibration)
        }
    }

    /// Predicts, and decides how far to go.
    func checkMachine(_ backend: BackendKind) throws -> Climb {
        var preflight = try forecast(backend)
        result.preflight = preflight
        if plan.raisesLimits {
            preflight = try raiseLimits(preflight, backend)
            result.preflight = preflight
        }
        let wall = preflight.binding
        if !plan.climbsToWall {
            let refusals = preflight.refusals(for: plan.connections)
            if refusals.isEmpty {
                warnOfSystemFiles(plan.connections)
                return Climb(steps: plan.steps)
            }
            if plan.ignoresWalls {
                warn("wall-ignored", refusals[0])
                result.prediction = Prediction(wall)
                return Climb(steps: plan.steps)
            }
            guard plan.untilWall else {
                throw RunStop(
                    .wall, refusals[0] + "; --until-wall climbs as far as it is safe", exitCode: 77)
            }
        }
        result.prediction = Prediction(wall)
        let safe = wall.connectionsSafe
        guard safe > 0 else {
            throw RunStop(.wall, preflight.refusals(for: 1).first ?? wall.formula, exitCode: 77)
        }
        progress.say(
            "predicted: \(Count.format(safe)) connections, then \(wall.resource.title)"
                + " (\(wall.origin) is \(wall.limitText); \(wall.formula))")
        warnOfSystemFiles(plan.climbsToWall ? safe : min(safe, plan.connections))
        return try climb(to: wall)
    }

    /// root may pass fs.file-max; everybody else on the machine then gets ENFILE.
    private func warnOfSystemFiles(_ connections: Int) {
        let host = result.host
        guard host.hasSystemAdmin == true, let limit = host.systemFilesMax,
            let used = host.systemFilesUsed, used + 2 * connections > limit
        else { return }
        let files = Count.format(used + 2 * connections)
        let message =
            "\(files) open files are more than fs.file-max (\(Count.format(limit))): root may, but"
            + " other users' programs can open nothing meanwhile; sysctl -w fs.file-max="
            + "\(used + 2 * connections + 100_000) makes room"
        warn("system-files", message)
        progress.say("warning: \(message)")
    }

    private func climb(to wall: Wall) throws -> Climb {
        let safe = wall.connectionsSafe
        let isMemory = [.memory, .controlGroupMemory].contains(wall.resource)
        let meets = isMemory || wall.isOurs
        // Beyond the prediction by more than it may be wrong, so that the wall itself is met.
        let target =
            isMemory ? safe + safe / 6 + 1_000 : meets ? safe + max(64, safe / 20) : safe
        let steps: [Int]
        if plan.climbsToWall {
            steps = try StepLadder(upTo: safe).steps.filter { $0 < safe - safe / 10 }
            result.plan.connections = safe
        } else {
            steps = plan.steps.filter { $0 < min(safe, plan.connections) }
        }
        result.plan.steps = steps
        // The floor of memory is watched: up to it nothing needs to be foreseen.
        let end =
            plan.climbsToWall
            ? target : min(isMemory ? 2 * safe + 100_000 : target, plan.connections)
        return Climb(steps: steps, last: Climb.LastStretch(wall: wall, target: end, meets: meets))
    }

    func start(_ backend: BackendKind, _ climb: Climb) throws {
        let group = try ProcessGroup(
            plan, backend: backend, target: climb.target, preflight: result.preflight,
            sourcePorts: sourcePorts, host: result.host, network: network,
            watch: watch, soak: soak?.shape)
        self.group = group
        result.layout = group.layout
        try group.startServers()
        try group.startClients()
        result.layout = group.layout
        baseline = Baseline(
            kernel: try KernelMemory.read(), memory: try UsableMemory.read(),
            server: try network.asServer { try NetworkCounters.read() },
            client: try network.asClient { try NetworkCounters.read() })
        try noteSoakBase(group)
        watch.sampler.watch(group.samplerTarget)
        if plan.climbsToWall { shellProbe = try ShellProbe() }
        progress.say(
            "\(group.layout.backend.rawValue): \(group.servers.count) server and"
                + " \(group.clients.count) client process\(group.clients.count == 1 ? "" : "es"),"
                + " \(group.layout.workersPerProcess) worker(s) each")
        if let words = group.layout.privileges?.words { progress.say(words) }
        if !group.layout.fallbacks.isEmpty {
            warn(
                "missing-feature",
                "io_uring without \(group.layout.fallbacks.joined(separator: "; "))")
        }
    }

    var sourcePorts: ClosedRange<UInt16> { SourceRange.ports(plan, result.host) }
}

/// Makes a ring and gives it back.
public enum URingTrial {
    /// - Returns: features that this kernel lacks.
    /// - Throws: why io_uring cannot be used, with the remedy.
    @discardableResult
    public static func run() throws(SystemError) -> [String] {
        var trial = Configuration(backend: .uring)
        trial.limits.connections = 16
        let engine = try Engine(trial) { _ in IdleHandler() }
        engine.wake()
        engine.stop()
        try engine.join()
        return engine.fallbacks
    }
}
