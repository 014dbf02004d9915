// Why a ramp that reached its target became slow, and when that is not known.

import ConnectionEngine
import Testing

@testable import ConnectionBench

/// Processor time of a ramp, in seconds of two processors.
private func machine(
    busy: Double, idle: Double = 0, steal: Double = 0, softInterrupt: Double = 0
) -> MachineUsage {
    MachineUsage(
        userSeconds: 0, niceSeconds: 0, systemSeconds: busy - softInterrupt, idleSeconds: idle,
        ioWaitSeconds: 0, interruptSeconds: 0, softInterruptSeconds: softInterrupt,
        stealSeconds: steal, contextSwitches: 0, processorCount: 2)
}

private func step(
    _ connections: Int, added: Int, _ machine: MachineUsage, own: Double
) -> StepResult {
    var step = StepResult(connections: connections)
    step.clientEstablished = connections
    step.connectionsAdded = added
    step.rampProcessor.machine = machine
    step.rampProcessor.serverSeconds = own / 2
    step.rampProcessor.clientSeconds = own / 2
    return step
}

/// 100,000 and then 900,000 more; the last 100,000 came half as fast as the first. A connect took
/// 10 µs of processors that were half busy.
private func slowed(
    ratio: Double = 0.5, first: StepResult? = nil, last: StepResult? = nil
) -> RunResult {
    var result = RunResult(
        tool: ToolFacts(version: "1", commit: nil, buildMode: "release", compiler: ""),
        commandLine: [], startedAt: "", host: HostFacts(),
        plan: RunPlan(connections: 1_000_000, steps: [100_000, 1_000_000], seed: 1))
    result.host.establishedHashEntries = 262_144
    result.ramp = RampTimeline(
        points: [.init(connections: 0, seconds: 0), .init(connections: 1_000_000, seconds: 20)],
        firstPartPerSecond: 80_000, lastPartPerSecond: 80_000 * ratio, partConnections: 100_000,
        lastToFirstRatio: ratio)
    result.steps = [
        first ?? step(100_000, added: 100_000, machine(busy: 1, idle: 1), own: 1),
        last ?? step(1_000_000, added: 900_000, machine(busy: 9, idle: 9), own: 9),
    ]
    return result
}

private func transition(
    _ to: String, _ trigger: GovernorTransition.Trigger, _ connections: Int
) -> GovernorTransition {
    GovernorTransition(
        from: "", to: to, trigger: trigger, text: "the figure of \(trigger.rawValue)", seconds: 0,
        connections: connections)
}

@Suite struct SlowdownTests {
    @Test("a ramp that kept 60 % of its rate was not slow")
    func none() {
        #expect(Slowdown(slowed(ratio: 0.6)) == nil)
        var short = slowed()
        short.ramp?.lastToFirstRatio = nil
        #expect(Slowdown(short) == nil)
    }

    @Test("without a sign of a cause it is unknown")
    func unknown() throws {
        let verdict = try #require(Slowdown(slowed())).verdict
        #expect(verdict.wall == .unknown && verdict.confidence == .low)
        #expect(verdict.proof == ["the connect rate fell to 50 % of its beginning"])
    }

    @Test("the governor explains what came while it held the ramp back")
    func governor() throws {
        var result = slowed()
        result.governor = [transition("amber", .memory, 940_000)]
        let verdict = try #require(Slowdown(result)).verdict
        #expect(verdict.wall == .memory && verdict.confidence == .medium)
        #expect(verdict.proof[1] == "the figure of memory")
        result.governor = [transition("amber", .controlGroupMemory, 10_000)]
        #expect(Slowdown(result)?.verdict.wall == .controlGroupMemory)
        // It has several causes itself.
        result.governor = [transition("amber", .schedulingDelay, 10_000)]
        #expect(Slowdown(result)?.verdict.wall == .unknown)
    }

    @Test("a hiccup of the machine explains no slow ramp")
    func hiccup() throws {
        var result = slowed()
        result.governor = [
            transition("amber", .memory, 920_000), transition("green", .memory, 925_000),
            transition("amber", .memory, 960_000), transition("green", .memory, 990_000),
        ]
        #expect(try #require(Slowdown(result)).verdict.wall == .unknown)
        result.governor[2].connections = 945_000
        #expect(try #require(Slowdown(result)).verdict.wall == .memory)
        // Early, and over before the last part.
        result.governor = [
            transition("amber", .memory, 100_000), transition("green", .memory, 900_000),
        ]
        #expect(try #require(Slowdown(result)).verdict.wall == .unknown)
    }

    @Test("a hypervisor that took more than at first explains it, and one that always did not")
    func steal() throws {
        let stolen = step(
            1_000_000, added: 900_000, machine(busy: 9, idle: 5, steal: 4), own: 9)
        let verdict = try #require(Slowdown(slowed(last: stolen))).verdict
        #expect(verdict.wall == .outside && verdict.confidence == .medium)
        #expect(
            verdict.proof[1] == "the hypervisor took 22 % of the processors in the last ramp")
        let first = step(100_000, added: 100_000, machine(busy: 1, idle: 0.6, steal: 0.4), own: 1)
        #expect(
            try #require(Slowdown(slowed(first: first, last: stolen))).verdict.wall == .unknown)
    }

    /// `connects` of 1,000,000 took a little more than a second.
    private func waiting(
        _ connects: Int, sentAgain: Int, _ counters: [String: Int], ratio: Double = 0.5
    ) throws -> Verdict? {
        var latency = LatencyHistogram()
        for _ in 0..<connects { latency.record(1_010_000_000) }
        var result = slowed(ratio: ratio)
        result.steps[1].synRetries = SynRetries(latency, facts: HostFacts())
        result.networkCounterChanges = counters
        result.networkCounterChanges["TcpExtTCPSynRetrans"] = sentAgain
        return Slowdown(result)?.verdict
    }

    @Test("an accept queue explains that more than one connect in 200 waited for a second SYN")
    func acceptQueue() throws {
        let overflows = ["TcpExtListenOverflows": 6_000]
        for ratio in [0.5, 1.1] {
            let found = try #require(
                try waiting(5_001, sentAgain: 5_500, overflows, ratio: ratio))
            #expect(found.wall == .acceptQueue && found.confidence == .high)
            #expect(
                found.proof[0] == "5,001 of 1,000,000 connects waited a second or more")
        }
        #expect(try waiting(5_000, sentAgain: 5_500, overflows, ratio: 1.1) == nil)
        #expect(try waiting(5_000, sentAgain: 5_500, overflows)?.wall == .unknown)
        // Late by themselves, behind a rate that was asked for.
        #expect(try waiting(5_001, sentAgain: 20, overflows)?.wall == .unknown)
        #expect(try waiting(5_001, sentAgain: 20, overflows, ratio: 1.1) == nil)
        // Others' overflows.
        let few = try waiting(5_001, sentAgain: 5_500, ["TcpExtListenOverflows": 3])
        #expect(few?.wall == .unknown)
    }

    @Test("a processor's queue explains them, too, and two full queues leave two causes")
    func packetQueue() throws {
        let dropped = try waiting(5_001, sentAgain: 5_500, ["SoftnetDropped": 2_750])
        #expect(dropped?.wall == .packetQueue && dropped?.confidence == .medium)
        #expect(try waiting(5_001, sentAgain: 5_500, ["SoftnetDropped": 2_749])?.wall == .unknown)
        let both = try waiting(
            5_001, sentAgain: 5_500, ["SoftnetDropped": 6_000, "TcpExtListenOverflows": 6_000])
        #expect(both?.wall == .unknown)
        #expect(both?.proof.last == "5,500 SYNs sent again (TCPSynRetrans)")
    }

    @Test("in two namespaces the queue is the server's, and the SYNs are the client's")
    func twoNamespaces() throws {
        var latency = LatencyHistogram()
        for _ in 0..<5_001 { latency.record(1_010_000_000) }
        var result = slowed()
        result.steps[1].synRetries = SynRetries(latency, facts: HostFacts())
        result.networkCounterChanges = ["TcpExtListenOverflows": 6_000]
        result.clientNetworkCounterChanges = ["TcpExtTCPSynRetrans": 5_500]
        #expect(result.counted("TcpExtTCPSynRetrans") == 5_500)
        #expect(result.counted("TcpExtListenOverflows") == 6_000)
        #expect(result.counted("TcpOutRsts") == 0)
        #expect(try #require(Slowdown(result)).verdict.wall == .acceptQueue)
        result.clientNetworkCounterChanges = nil
        #expect(try #require(Slowdown(result)).verdict.wall == .unknown)
    }

    @Test("busy processors that a connect takes more of explain it")
    func processors() throws {
        let dear = step(1_000_000, added: 900_000, machine(busy: 18, idle: 2), own: 17)
        let verdict = try #require(Slowdown(slowed(last: dear))).verdict
        #expect(verdict.wall == .processors && verdict.confidence == .medium)
        #expect(
            verdict.proof[1]
                == "a connect took 20.0 µs of processor time in the last step, 10.0 µs in the first"
        )
        #expect(
            verdict.proof[2]
                == "2,000,000 sockets in the kernel's hash of 262,144 buckets; processors busy for"
                + " 90 %")
    }

    @Test("processors that were busy with something else explain nothing of ours")
    func others() throws {
        let foreign = step(1_000_000, added: 900_000, machine(busy: 18, idle: 2), own: 9)
        #expect(try #require(Slowdown(slowed(last: foreign))).verdict.wall == .unknown)
        // Interrupts are nobody's, and on loopback ours.
        let interrupts = step(
            1_000_000, added: 900_000, machine(busy: 18, idle: 2, softInterrupt: 8), own: 9)
        #expect(try #require(Slowdown(slowed(last: interrupts))).verdict.wall == .processors)
    }

    @Test("processors that were idle explain nothing")
    func idle() throws {
        let dear = step(1_000_000, added: 900_000, machine(busy: 18, idle: 8), own: 18)
        #expect(try #require(Slowdown(slowed(last: dear))).verdict.wall == .unknown)
    }
}
