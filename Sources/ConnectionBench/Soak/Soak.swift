// `uring-bench soak`: a run that holds its connections under load for long, and a verdict at its end.

import ConnectionEngine

/// One soak. Not to be used twice; like ``Run`` it always ends with a result.
public final class Soak {
    private let run: Run
    private let state: SoakState
    private let plan: RunPlan

    /// - Parameter plan: its load and its sides; steps, probe and hold are the soak's own.
    public init(
        _ shape: SoakShape, plan: RunPlan, tool: ToolFacts, commandLine: [String],
        progress: RunProgress
    ) throws {
        var plan = plan
        plan.steps = [plan.connections]
        plan.probeSeconds = shape.sampleSeconds
        plan.holdSeconds = 0
        plan.load.warmupSeconds = 0
        self.plan = plan
        state = SoakState(shape)
        run = try Run(
            plan: plan, tool: tool, commandLine: commandLine, progress: progress, soak: state)
    }

    public func perform() -> SoakResult {
        let outcome = run.perform()
        var result = SoakResult(
            tool: outcome.tool, commandLine: outcome.commandLine, startedAt: outcome.startedAt,
            host: outcome.host, plan: outcome.plan, soak: state.shape)
        result.layout = outcome.layout
        result.stopped = outcome.stopped
        result.complete = outcome.complete
        result.exitCode = outcome.exitCode
        result.warnings = outcome.warnings
        result.ramp = outcome.steps.last
        result.sweep = outcome.sweep
        result.serverCounters = outcome.serverCounters
        result.clientCounters = outcome.clientCounters
        result.networkCounterChanges = outcome.networkCounterChanges
        result.governor = outcome.governor
        result.teardown = outcome.teardown
        result.elapsedSeconds = outcome.elapsedSeconds
        result.seconds = state.seconds
        result.warmupSeconds = state.shape.warmupSeconds
        result.load = state.load
        result.lag = state.lag
        result.checks = SoakCheck.Kind.allCases.compactMap { state.checks[$0] }
        result.samples = state.samples
        result.samplesPerRow = state.samplesPerRow
        (result.times, result.series) = state.series()
        result.slabGrowth = state.slabGrowth
        result.judge()
        return result
    }
}

extension SoakResult {
    /// The series that are judged.
    public var judged: [(series: SoakSeries, verdict: SeriesVerdict)] {
        series.compactMap { series in series.verdict.map { (series, $0) } }
    }

    /// What the whole time was too short for needs about so many seconds.
    public var secondsNeeded: Double? { judged.compactMap(\.verdict.secondsNeeded).max() }

    /// Sets the status and the exit code from all that was seen, the worst first.
    mutating func judge() {
        addWarnings()
        let broken = checks.filter { !$0.holds }
        let kinds = Set(judged.map(\.verdict.kind))
        if let stopped {
            // What leaked until then is told all the same.
            (status, exitCode) = (.incomplete, stopped.exitCode)
        } else if broken.contains(where: \.kind.isLoss) {
            (status, exitCode) = (.lost, 1)
        } else if kinds.contains(.rising) || !broken.isEmpty {
            (status, exitCode) = (.leak, 98)
        } else if let limit = soak.lagMaxSeconds, Double(lag.maxNanoseconds) / 1e9 > limit {
            (status, exitCode) = (.late, 99)
        } else if kinds.contains(.cannotTell) {
            (status, exitCode) = (.cannotTell, 1)
        } else {
            (status, exitCode) = (.pass, 0)
        }
    }

    private mutating func addWarnings() {
        func warn(_ id: String, _ message: String) {
            if !warnings.contains(where: { $0.id == id }) {
                warnings.append(RunWarning(id: id, message: message))
            }
        }
        let failed = load.connectFailures.values.reduce(0, +)
        if failed > 0 {
            let names = load.connectFailures.keys.sorted().joined(separator: ", ")
            warn(
                "connect-failure",
                "\(Count.format(failed)) replacements failed (\(names)) and were made again")
        }
        if load.unanswered > 0 {
            warn(
                "rate-not-reached",
                "\(Count.format(load.unanswered)) of \(Count.format(load.due)) requests were not"
                    + " answered in time: lower --rate")
        }
        if samples > 0, load.clientBoundSamples * 10 > samples {
            warn(
                "client-saturated",
                "before \(Count.format(load.clientBoundSamples)) of \(Count.format(samples)) looks"
                    + " the client was the bottleneck; lower --rate, or give more --workers")
        }
        if series.first(where: { $0.name == "kernel slab" })?.values.contains(nil) == true {
            warn("no-slab", "the kernel's memory could not be read at each look")
        }
    }
}
