// What held a run back that reached its target all the same.

import ConnectionEngine

/// Compares the first with the last steps of a ramp. `nil` when its rate stayed above 60 %, and
/// nearly no connect had to wait for the kernel to send its SYN again.
struct Slowdown {
    /// Of all connects, so many have a second or more of their own to explain.
    static let retriesShareMin = 0.005

    let verdict: Verdict

    init?(_ result: RunResult) {
        let steps = result.steps.filter { $0.connectionsAdded > 0 }
        guard let last = steps.last else { return nil }
        if let waited = Self.waited(result, steps) {
            verdict = waited
            return
        }
        guard let ratio = result.ramp?.lastToFirstRatio, ratio < 0.6 else { return nil }
        let rate = "the connect rate fell to \(Int(ratio * 100)) % of its beginning"
        if let slow = Self.heldBack(result) {
            verdict = slow.verdict(rate)
            return
        }
        // The same all the time explains no difference.
        if let machine = last.rampProcessor.machine,
            Self.steal(last) > Self.steal(steps[0]) + 0.15
        {
            verdict = Verdict(
                .outside, .host, .medium,
                proof: [
                    rate,
                    "the hypervisor took"
                        + " \(Int(100 * machine.stealSeconds / machine.totalSeconds)) % of the"
                        + " processors in the last ramp",
                ], remedy: "measure again on a quiet host")
            return
        }
        guard let costs = Self.costs(steps), costs.last > 1.3 * costs.first, costs.busy > 0.7,
            Self.isOurs(last.rampProcessor)
        else {
            verdict = Verdict(
                .unknown, .host, .low, proof: [rate],
                remedy: "run it again: one slow phase of the machine looks the same")
            return
        }
        let sockets = 2 * last.clientEstablished
        verdict = Verdict(
            .processors, .host, .medium,
            proof: [
                rate,
                "a connect took \(Decimal1.text(costs.last)) µs of processor time in the last step,"
                    + " \(Decimal1.text(costs.first)) µs in the first",
                "\(Count.format(sockets)) sockets in the kernel's hash of"
                    + " \(result.host.establishedHashEntries.map { Count.format($0) } ?? "unknown")"
                    + " buckets; processors busy for \(Int(costs.busy * 100)) %",
            ], remedy: "--netns loopback has a hash table of its own size")
    }

    /// SYNs without an answer, where they are more than a few: the queue that was full says so by its
    /// counter. A connect that waits a second holds one place of the window only.
    private static func waited(_ result: RunResult, _ steps: [StepResult]) -> Verdict? {
        let connects = steps.reduce(0) { $0 + $1.connectionsAdded }
        let retries = steps.reduce(0) { $0 + ($1.synRetries?.connects ?? 0) }
        // Only a SYN that was really sent again waits for the kernel; others were late themselves.
        let sentAgain = result.counted("TcpExtTCPSynRetrans")
        guard Double(retries) > Slowdown.retriesShareMin * Double(connects), retries <= sentAgain
        else { return nil }
        let proof = [
            "\(Count.format(retries)) of \(Count.format(connects)) connects waited a second or more"
        ]
        let again = "\(Count.format(sentAgain)) SYNs sent again (TCPSynRetrans)"
        let changes = result.networkCounterChanges
        let overflows = changes["TcpExtListenOverflows", default: 0]
        let dropped = changes["SoftnetDropped", default: 0]
        // Behind a full queue of accepted connections that of half-open ones fills up too.
        let halfOpen = changes["TcpExtTCPReqQFullDrop", default: 0]
        // Two queues that each dropped enough leave two causes.
        let isQueueFull = overflows > 0 && 2 * (overflows + halfOpen) >= sentAgain
        let isBacklogFull = dropped > 0 && 2 * dropped >= sentAgain
        if isQueueFull, !isBacklogFull {
            return Verdict(
                .acceptQueue, .server, .high,
                proof: proof + [
                    "\(Count.format(overflows)) times an accept queue was full (ListenOverflows)",
                    again,
                ],
                remedy: "a larger --backlog and net.core.somaxconn, more listeners, or a lower"
                    + " --connect-rate")
        }
        if isBacklogFull, !isQueueFull {
            return Verdict(
                .packetQueue, .host, .medium,
                proof: proof + [
                    "\(Count.format(dropped)) packets dropped (softnet_stat)", again,
                ],
                remedy: "sysctl -w net.core.netdev_max_backlog="
                    + "\(10 * (result.host.netdevMaxBacklog ?? 1_000))")
        }
        return Verdict(
            .unknown, .host, .low, proof: proof + [again],
            remedy: "look for what drops packets: a firewall, a full table, a busy listener")
    }

    /// The governor's transition that held the last part of the ramp back, by the connections that
    /// came while it did: a hiccup of the machine covers few.
    private static func heldBack(_ result: RunResult) -> GovernorTransition? {
        guard let part = result.ramp?.partConnections, part > 0,
            let end = result.ramp?.points.last?.connections
        else { return nil }
        var held: [GovernorTransition.Trigger: (first: GovernorTransition, connections: Int)] = [:]
        for (index, slow) in result.governor.enumerated() where slow.to != "green" {
            let next = index + 1 < result.governor.count ? result.governor[index + 1] : nil
            let from = max(slow.connections, end - part)
            let covered = max(0, min(next?.connections ?? end, end) - from)
            held[slow.trigger, default: (slow, 0)].connections += covered
        }
        let most = held.values.max { $0.connections < $1.connections }
        return most.flatMap { 2 * $0.connections >= part ? $0.first : nil }
    }

    private static func steal(_ step: StepResult) -> Double {
        step.rampProcessor.machine.map { $0.stealSeconds / max($0.totalSeconds, 1e-9) } ?? 0
    }

    /// Most of what the machine did in that time was done by the run's processes. Interrupts belong
    /// to nobody.
    private static func isOurs(_ use: ProcessorUse) -> Bool {
        guard let machine = use.machine else { return false }
        let others =
            machine.busySeconds - machine.interruptSeconds - machine.softInterruptSeconds
        return use.serverSeconds + use.clientSeconds > 0.7 * others
    }

    /// Microseconds of all processors per connect, in the first and the last step that say so.
    private static func costs(
        _ steps: [StepResult]
    ) -> (first: Double, last: Double, busy: Double)? {
        let costs = steps.compactMap { step -> (Double, Double)? in
            guard step.connectionsAdded >= 1_000, let machine = step.rampProcessor.machine
            else { return nil }
            let busy = machine.busySeconds
            return (
                busy * 1e6 / Double(step.connectionsAdded),
                busy / max(machine.totalSeconds - machine.stealSeconds, 1e-9)
            )
        }
        guard let first = costs.first, let last = costs.last, costs.count >= 2 else { return nil }
        return (first.0, last.0, last.1)
    }
}

extension GovernorTransition {
    /// Of a ramp that it has made slow.
    fileprivate func verdict(_ rate: String) -> Verdict {
        let wall: Wall.Resource
        switch trigger {
        case .memory: wall = .memory
        case .controlGroupMemory: wall = .controlGroupMemory
        // Each of these has several causes, see ``Attribution``.
        case .memoryPressure, .schedulingDelay: wall = .unknown
        }
        return Verdict(
            wall, .host, wall == .unknown ? .low : .medium, proof: [rate, text],
            remedy: "see the governor's transitions in the result")
    }
}
