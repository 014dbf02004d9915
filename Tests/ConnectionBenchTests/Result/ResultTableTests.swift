// What a person reads at the end of a run.

import Testing

@testable import ConnectionBench

@Suite struct ResultTableTests {
    private func result(steps: [StepResult] = []) -> RunResult {
        var result = RunResult(
            tool: ToolFacts(
                version: "9.8.7", commit: nil, buildMode: "release", compiler: "Swift"),
            commandLine: [], startedAt: "", host: HostFacts(),
            plan: RunPlan(connections: 5_000, steps: [1_000, 5_000], seed: 1))
        result.layout = RunLayout(
            backend: .uring, processesPerSide: 1, workersPerProcess: 2, pinning: .none)
        result.steps = steps
        return result
    }

    private func step(_ connections: Int, verified: Bool = true) -> StepResult {
        var step = StepResult(connections: connections)
        step.verified = verified
        step.connectsPerSecond = 43_210.9
        step.kernelBytesPerConnection = 8_101.4
        step.probe = ProbeResult(offeredPerSecond: 10_000, seconds: 2)
        step.probe?.latency.p50Nanoseconds = 151_000
        step.probe?.latency.p99Nanoseconds = 2_340_000
        step.probe?.latency.p999Nanoseconds = 1_500_000_000
        return step
    }

    @Test("a complete run passes and shows a row for each step")
    func complete() throws {
        var result = result(steps: [step(1_000), step(5_000)])
        result.complete = true
        result.exitCode = 0
        result.sweep = SweepResult()
        let lines = ResultTable(result).text.split(
            separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0].hasPrefix("uring-bench 9.8.7 (release), uring, Linux"))
        let row = try #require(lines.first { $0.contains("5,000  43,210") })
        for text in ["151.0 µs", "2.3 ms", "1.5 s", "8,101"] { #expect(row.contains(text)) }
        #expect(
            lines.last == "PASS 5,000 connections held and verified, every connection echoed")
    }

    @Test("the heading tells the shape of the load where it is not the plain one")
    func shape() {
        var result = result(steps: [step(1_000)])
        #expect(
            ResultTable(result).text.contains(
                "2 worker(s) each; 10,000 requests/s of 64 B per probe\n"))
        result.plan.load.arrivals = .poisson
        result.plan.load.activeFraction = 0.005
        result.plan.load.messages = .uniform(from: 64, to: 1_024)
        #expect(
            ResultTable(result).text.contains(
                "; 10,000 requests/s of 64 to 1,024 B per probe, Poisson arrivals, 0.5 % of the"
                    + " connections active\n"))
    }

    @Test("a closed loop shows what it reached instead of what was offered")
    func closedLoop() throws {
        var step = step(1_000)
        step.probe?.answered = 86_420
        var result = result(steps: [step])
        #expect(!ResultTable(result).text.contains("echo/s"))
        result.plan.load.loop = .closed
        let lines = ResultTable(result).text.split(separator: "\n").map(String.init)
        #expect(lines[1].hasSuffix("; requests of 64 B per probe, closed loop"))
        let head = try #require(lines.firstIndex { $0.contains("conn/s  echo/s") })
        #expect(lines[head + 1].contains("43,210  43,210"))
        #expect(lines[head].count == lines[head + 1].count)
    }

    @Test("churn and storm have a line each, with their failures")
    func replaced() {
        var result = result(steps: [step(1_000)])
        var churn = ChurnResult(ChurnShape(closesPerSecond: 500, seconds: 10))
        churn.closesPerSecond = 499.6
        churn.connectsPerSecond = 499
        churn.connectFailures = ["ECONNREFUSED": 2, "EADDRINUSE": 1]
        result.churn = churn
        var storm = StormResult(connections: 1_000)
        storm.seconds = 0.25
        storm.connectsPerSecond = 4_000
        result.storm = storm
        let text = ResultTable(result).text
        #expect(text.contains("churn: 500 closes/s and 499 connects/s of 500 wanted, for 10.0 s"))
        #expect(text.contains("3 failed (EADDRINUSE, ECONNREFUSED) and were made again"))
        #expect(text.contains("all back 250.0 ms after they were due at once (4,000/s)"))
        #expect(text.contains(", none failed"))
    }

    @Test("all rows of the grid are equally wide")
    func aligned() throws {
        let text = ResultTable(result(steps: [step(1_000), step(5_000, verified: false)])).text
        let lines = text.split(separator: "\n").map(String.init)
        let head = try #require(lines.firstIndex { $0.contains("conns  conn/s") })
        #expect(Set(lines[head...(head + 2)].map(\.count)).count == 1)
    }

    @Test("a run that was stopped says why, how far it came, and its exit code")
    func stopped() {
        var result = result(steps: [step(1_000), step(5_000, verified: false)])
        result.exitCode = 77
        result.stopped = StopReason(kind: .wall, message: "memory: 5 B", exitCode: 77)
        result.warnings = [RunWarning(id: "steal", message: "3 %")]
        let text = ResultTable(result).text
        #expect(text.contains("5,000?"))
        #expect(text.contains("warning [steal] 3 %"))
        #expect(text.contains("stopped: memory: 5 B"))
        #expect(text.hasSuffix("INCOMPLETE 1,000 of 5,000 connections verified (exit 77)"))
    }

    @Test("the teardown tells of kernel memory only where it was waited for")
    func teardown() {
        var result = result(steps: [step(1_000)])
        result.teardown = TeardownResult(connections: 1_000, seconds: 0.5)
        #expect(!ResultTable(result).text.contains("kernel memory back"))
        result.teardown?.kernelBytesLeft = 4_096
        #expect(ResultTable(result).text.contains("4,096 B of kernel memory not yet back"))
        result.teardown?.memoryBackSeconds = 1.25
        #expect(ResultTable(result).text.contains("kernel memory back after 1.3 s"))
    }

    @Test("without a step there is still a verdict")
    func empty() {
        #expect(ResultTable(result()).text.contains("INCOMPLETE 0 of 5,000"))
    }

    @Test(
        "durations have the unit that suits them",
        arguments: [
            (0, "0.0 µs"), (1_000, "1.0 µs"), (999_999, "1,000.0 µs"), (1_000_000, "1.0 ms"),
            (59_950_000_000, "60.0 s"),
        ])
    func durations(nanoseconds: UInt64, text: String) {
        #expect(DurationText.of(nanoseconds) == text)
    }

    @Test("numbers have one decimal place and their sign")
    func decimals() {
        #expect(Decimal1.text(1_234.56) == "1,234.6")
        #expect(Decimal1.text(-0.26) == "-0.3")
        #expect(Decimal1.text(-0.01) == "0.0")
    }
}
