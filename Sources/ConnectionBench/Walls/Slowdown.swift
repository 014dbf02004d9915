// Why connects became slow, in a run that reached its target all the same.

import ConnectionEngine

/// Compares the first with the last steps of a ramp. `nil` when its rate stayed above 60 %.
struct Slowdown {
    let verdict: Verdict

    init?(_ result: RunResult) {
        guard let ratio = result.ramp?.lastToFirstRatio, ratio < 0.6 else { return nil }
        let steps = result.steps.filter { $0.connectionsAdded > 0 }
        guard let last = steps.last else { return nil }
        let rate = "the connect rate fell to \(Int(ratio * 100)) % of its beginning"
        let changes = result.networkCounterChanges
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
        // A connect that waits a second holds one place of the window only: few explain nothing.
        if let overflows = changes["TcpExtListenOverflows"], overflows > 0,
            let retries = last.synRetries, 200 * retries.connects > last.connectionsAdded
        {
            verdict = Verdict(
                .acceptQueue, .server, .high,
                proof: [
                    rate, "\(Count.format(overflows)) times an accept queue was full",
                    retries.text,
                ].compactMap { $0 }, remedy: "a larger --backlog and net.core.somaxconn")
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
