// A result with every part that a run can have, made up.

import ConnectionEngine

@testable import ConnectionBench

enum MadeUpResult {
    static let tool = ToolFacts(
        version: "9.8.7", commit: "0123456789abcdef", buildMode: "release", compiler: "Swift")

    static let plan = RunPlan(connections: 1_000, steps: [1_000], seed: 1)

    /// A run that reached its target, with one step.
    static var complete: RunResult {
        var result = RunResult(
            tool: tool, commandLine: ["uring-bench", "--conns", "1k"],
            startedAt: "2026-11-26T12:46:00Z", host: HostFacts(), plan: plan)
        result.host.kernelRelease = "6.18 \"quoted\""
        result.layout = RunLayout(
            backend: .epoll, processesPerSide: 1, workersPerProcess: 2, pinning: .spread)
        result.complete = true
        result.exitCode = 0
        result.elapsedSeconds = 5
        result.steps = [step]
        result.sweep = SweepResult()
        result.hold = HoldResult(
            startSeconds: 3.1, seconds: 1, connectionsLost: 0, processor: ProcessorUse())
        result.teardown = TeardownResult()
        result.warnings = [RunWarning(id: "steal", message: "a | b")]
        return result
    }

    static var step: StepResult {
        var step = StepResult(connections: 1_000)
        step.verified = true
        step.rampStartSeconds = 0.5
        step.rampSeconds = 0.25
        step.connectsPerSecond = 4_000
        step.kernelBytesPerConnection = 8_101.5
        let connects = latency(1...1_000, by: 10_000)
        step.connectLatency = connects.summary
        step.connectHistogram = connects.base64
        step.probe = probe
        return step
    }

    static var probe: ProbeResult {
        var probe = ProbeResult(offeredPerSecond: 1_000, seconds: 2, startSeconds: 1)
        let echoes = latency(1...2_000, by: 100_000)
        probe.due = 2_000
        probe.answered = 2_000
        probe.latency = echoes.summary
        probe.histogram = echoes.base64
        probe.serverMicrosecondsPerEcho = 12.5
        return probe
    }

    /// As a run merges it from the reports of its workers.
    private static func latency(_ values: ClosedRange<UInt64>, by unit: UInt64) -> LatencyHistogram
    {
        var part = LatencyHistogram()
        for value in values { part.record(value * unit) }
        var latency = LatencyHistogram()
        latency.add(part)
        return latency
    }
}
