// Results that are made up, small enough to be understood.

import ConnectionEngine

@testable import ConnectionBench

enum Made {
    static let chartsOfOneRun = [
        "latency", "latency-percentiles", "ramp-rate", "ramp-connections", "processor", "memory",
    ]
    static let manySteps = [1, 2, 5].flatMap { digit in
        [1_000, 10_000, 100_000].map { digit * $0 }
    }.sorted()

    static let tool = ToolFacts(
        version: "0.1.0", commit: "0123456789", buildMode: "release", compiler: "Swift 6.3")

    static func run(_ backend: BackendKind, steps: [Int], factor: Double = 1) -> RunResult {
        var host = HostFacts()
        host.kernelRelease = "6.18.0"
        host.processorsOnline = 2
        host.processorModel = "Made Up CPU"
        host.vulnerabilities = ["spectre_v2": "Mitigation: Retpolines"]
        var plan = RunPlan(connections: steps.last ?? 1_000, steps: steps, seed: 7)
        plan.backend = backend
        var run = RunResult(
            tool: tool, commandLine: ["uring-bench", "--backend", backend.rawValue],
            startedAt: "2026-01-01T00:00:00Z", host: host, plan: plan)
        run.layout = RunLayout(
            backend: backend, processesPerSide: 1, workersPerProcess: 2, pinning: .spread)
        run.steps = steps.map { step($0, factor: factor) }
        var ramp = RampTimeline()
        ramp.points = (0...20).map { index in
            RampTimeline.Point(
                connections: index * (steps.last ?? 0) / 20, seconds: Double(index) * 0.01)
        }
        if !steps.isEmpty { run.ramp = ramp }
        return run
    }

    static func step(_ connections: Int, factor: Double = 1) -> StepResult {
        var step = StepResult(connections: connections)
        step.verified = true
        step.connectsPerSecond = 50_000 * factor
        step.connectionsAdded = connections
        step.rampProcessor = use(factor)
        step.kernelMemory = KernelMemoryGrowth(
            source: .slabinfo, totalBytes: connections * 8_000, objectBytes: nil,
            slabBytes: connections * 8_000,
            caches: [
                KernelMemoryGrowth.Cache(name: "TCP", bytes: connections * 5_000),
                KernelMemoryGrowth.Cache(name: "sock_inode_cache", bytes: connections * 1_800),
            ], kernelStackBytes: 0, pageTablesBytes: 0, availableLostBytes: 0)
        step.kernelBytesPerConnection = 8_000 * factor
        step.serverUserBytes = connections * 100
        step.clientUserBytes = connections * 60
        step.userBytesPerConnection = 160
        var probe = ProbeResult(offeredPerSecond: 10_000, seconds: 1)
        probe.due = 10_000
        probe.answered = 10_000
        probe.latency = LatencySummary(
            count: 10_000, minNanoseconds: 20_000, meanNanoseconds: 90_000,
            p50Nanoseconds: UInt64(80_000 * factor), p90Nanoseconds: 150_000,
            p99Nanoseconds: UInt64(300_000 * factor), p999Nanoseconds: UInt64(900_000 * factor),
            p9999Nanoseconds: 2_000_000, maxNanoseconds: 3_000_000)
        probe.processor = use(factor)
        probe.serverMicrosecondsPerEcho = 20 * factor
        step.probe = probe
        return step
    }

    static func use(_ factor: Double) -> ProcessorUse {
        var use = ProcessorUse()
        use.elapsedSeconds = 1
        use.serverSeconds = 0.3 * factor
        use.clientSeconds = 0.4 * factor
        use.machine = machine(user: 0.2, system: 0.6, soft: 0.3)
        return use
    }

    static func machine(
        user: Double, system: Double, soft: Double, steal: Double = 0
    ) -> MachineUsage {
        MachineUsage(
            userSeconds: user, niceSeconds: 0, systemSeconds: system, idleSeconds: 1,
            ioWaitSeconds: 0, interruptSeconds: 0, softInterruptSeconds: soft, stealSeconds: steal,
            contextSwitches: 100, processorCount: 2)
    }

    static func transition(_ text: String) -> GovernorTransition {
        GovernorTransition(
            from: "green", to: "amber", trigger: .memory, text: text, seconds: 1,
            connections: 500)
    }

    /// The first candidate is the reference; of each later one p99 is better, kernel memory worse,
    /// and nothing can be told of the server's processor time.
    static func set(_ candidates: [String], runs: Int) -> RunSet {
        var set = RunSet(
            tool: tool, commandLine: ["uring-bench", "--backend", "all"],
            startedAt: "2026-01-01T00:00:00Z", candidates: candidates)
        for round in 1...runs {
            for (index, name) in candidates.enumerated() {
                set.runs.append(
                    RunSet.CandidateRun(
                        candidate: name, round: round,
                        result: run(
                            BackendKind(rawValue: name) ?? .uring, steps: [1_000, 2_000],
                            factor: 1 + 0.1 * Double(index) + 0.01 * Double(round))))
            }
        }
        set.complete = true
        set.comparisons = candidates.dropFirst().map { comparison(candidates[0], $0, set) }
        return set
    }

    private static func comparison(_ base: String, _ new: String, _ set: RunSet) -> Comparison {
        func summary(_ name: String, _ metric: Metric, _ connections: Int) -> SampleSummary {
            let values = set.runs(of: name).compactMap { run in
                run.steps.first { $0.connections == connections }.flatMap { metric.value(of: $0) }
            }.sorted()
            return SampleSummary(
                values: values, median: values[values.count / 2], low: values[0],
                high: values[values.count - 1])
        }
        let verdicts: [(Metric, ComparisonVerdict, Double)] = [
            (.p99, .faster, 0.8), (.kernelBytes, .slower, 1.2), (.serverCPU, .cannotTell, 1.01),
            (.connectRate, .noDifference, 1),
        ]
        let cells = [1_000, 2_000].flatMap { connections in
            verdicts.map { metric, verdict, ratio in
                var cell = ComparedCell(
                    metric: metric, connections: connections,
                    base: summary(base, metric, connections),
                    new: summary(new, metric, connections), verdict: verdict,
                    reason: "because it was made up so")
                cell.ratio = RatioEstimate(value: ratio, low: ratio * 0.95, high: ratio * 1.05)
                cell.smallestResolvable = 0.08
                return cell
            }
        }
        return Comparison(base: base, new: new, cells: cells)
    }
}

extension Wall {
    static func made(_ resource: Wall.Resource, at connections: Int) -> Wall {
        Wall(
            resource: resource, connectionsMax: connections, limit: connections,
            origin: "RLIMIT_NOFILE", formula: "one for each connection")
    }
}
