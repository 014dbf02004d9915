// Runs that were never made, with figures of the test's choice.

import ConnectionEngine

@testable import ConnectionBench

enum MadeUpRuns {
    static let tool = ToolFacts(
        version: "1", commit: nil, buildMode: "release", compiler: "Swift")

    static func host() -> HostFacts {
        var host = HostFacts()
        host.kernelRelease = "6.18.0"
        host.processorModel = "Made-up 9000"
        host.processorsOnline = 2
        host.memoryTotalBytes = 24 << 30
        host.vulnerabilities = ["spectre_v2": "Mitigation: Retpolines", "mds": "Not affected"]
        return host
    }

    /// A complete run of one step.
    static func run(
        connections: Int = 1_000, serverCPU: Double = 10, p99: Double = 1e6, rate: Double = 40_000,
        kernelBytes: Double = 8_000, backend: BackendKind = .uring
    ) -> RunResult {
        var result = RunResult(
            tool: tool, commandLine: ["uring-bench", "--conns", "\(connections)"], startedAt: "",
            host: host(), plan: RunPlan(connections: connections, steps: [connections], seed: 1))
        result.layout = RunLayout(
            backend: backend, processesPerSide: 1, workersPerProcess: 2, pinning: .none)
        result.complete = true
        result.exitCode = 0
        var step = StepResult(connections: connections)
        step.verified = true
        step.connectsPerSecond = rate
        step.connectionsAdded = connections
        step.kernelBytesPerConnection = kernelBytes
        var probe = ProbeResult(offeredPerSecond: 10_000, seconds: 2)
        probe.answered = 20_000
        probe.latency.p50Nanoseconds = UInt64(p99 / 5)
        probe.latency.p99Nanoseconds = UInt64(p99)
        probe.latency.p999Nanoseconds = UInt64(p99 * 3)
        probe.serverMicrosecondsPerEcho = serverCPU
        step.probe = probe
        result.steps = [step]
        return result
    }

    static func set(
        _ candidates: [(name: String, runs: [RunResult])], rounds: Int
    ) -> RunSet {
        var set = RunSet(
            tool: tool, commandLine: [], startedAt: "", candidates: candidates.map(\.name))
        set.rounds = rounds
        for round in 0..<rounds {
            for candidate in candidates where round < candidate.runs.count {
                set.runs.append(
                    RunSet.CandidateRun(
                        candidate: candidate.name, round: round + 1,
                        result: candidate.runs[round]))
            }
        }
        return set
    }
}
