// What held a run back that reached its target all the same.

import ConnectionEngine

/// Connections that ended in order, and lost the minute that their ports should have rested.
enum Churn {
    static func verdict(_ result: RunResult) -> Verdict? {
        let overflows = max(
            result.networkCounterChanges["TcpExtTCPTimeWaitOverflow", default: 0],
            result.clientNetworkCounterChanges?["TcpExtTCPTimeWaitOverflow"] ?? 0)
        guard overflows > 0, let limit = result.host.timeWaitMax else { return nil }
        return Verdict(
            .timeWait, .client, .high,
            proof: [
                "\(Count.format(overflows)) ended without TIME_WAIT (TCPTimeWaitOverflow)",
                "net.ipv4.tcp_max_tw_buckets is \(Count.format(limit))",
                "\(Count.format(result.teardown?.timeWait ?? 0)) in TIME_WAIT at the end",
            ],
            remedy: "sysctl -w net.ipv4.tcp_max_tw_buckets=\(2 * (limit + overflows)), or let the"
                + " side close first that has ports to spare")
    }
}

/// Compares the first with the last steps of a ramp. `nil` when its rate stayed above 60 %, and
/// nearly no connect had to wait for the kernel to send its SYN again.
struct Slowdown {
    /// Of all connects, so many have a second or more of their own to explain.
    static let retriesShareMin = 0.005

    let verdict: Verdict

    init?(_ result: RunResult) {
        let steps = result.steps.filter { $0.connectionsAdded > 0 }
        guard let last = steps.last else { return nil }
        let connects = steps.reduce(0) { $0 + $1.connectionsAdded }
        let retries = steps.reduce(0) { $0 + ($1.synRetries?.connects ?? 0) }
        let hasRetries = Double(retries) > Slowdown.retriesShareMin * Double(connects)
        let fell = result.ramp?.lastToFirstRatio.map { $0 < 0.6 } ?? false
        guard fell || hasRetries else { return nil }
        let rate =
            fell
            ? "the connect rate fell to \(Int((result.ramp?.lastToFirstRatio ?? 0) * 100)) % of its"
                + " beginning"
            : "\(Count.format(retries)) of \(Count.format(connects)) connects waited a second or"
                + " more"
        let changes = result.networkCounterChanges
        // A connect that waits a second holds one place of the window only: few explain nothing.
        if hasRetries {
            verdict = Self.queue(rate, retries, changes, result.host)
            return
        }
        if let slow = result.governor.first(where: { $0.to == "amber" }) {
            let isMemory = [.memory, .controlGroupMemory, .memoryPressure].contains(slow.trigger)
            verdict = Verdict(
                isMemory ? .memory : .processors, .host, .high, proof: [rate, slow.text],
                remedy: "see the governor's transitions in the result")
            return
        }
        if let machine = last.rampProcessor.machine,
            machine.stealSeconds > 0.15 * max(machine.totalSeconds, 1e-9)
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
        guard let costs = Self.costs(steps), costs.last > 1.3 * costs.first, costs.busy > 0.7 else {
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

    /// SYNs without an answer: the queue that was full says so by its counter.
    private static func queue(
        _ rate: String, _ retries: Int, _ changes: [String: Int], _ host: HostFacts
    ) -> Verdict {
        let again = "\(Count.format(changes["TcpExtTCPSynRetrans", default: 0])) SYNs sent again"
        let overflows = changes["TcpExtListenOverflows", default: 0]
        if overflows >= retries / 2, overflows > 0 {
            return Verdict(
                .acceptQueue, .server, .high,
                proof: [
                    rate,
                    "\(Count.format(overflows)) times an accept queue was full (ListenOverflows)",
                    again,
                ],
                remedy: "a larger --backlog and net.core.somaxconn, more listeners, or a lower"
                    + " --connect-rate")
        }
        let dropped = changes["SoftnetDropped", default: 0]
        if dropped >= retries / 2, dropped > 0 {
            return Verdict(
                .packetQueue, .host, .high,
                proof: [rate, "\(Count.format(dropped)) packets dropped (softnet_stat)", again],
                remedy: "sysctl -w net.core.netdev_max_backlog="
                    + "\(10 * (host.netdevMaxBacklog ?? 1_000))")
        }
        return Verdict(
            .unknown, .host, .low, proof: [rate, again],
            remedy: "look for what drops packets: a firewall, a full table, a busy listener")
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
