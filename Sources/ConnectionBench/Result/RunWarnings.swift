// What spoils or explains a result, each with a stable id.

import ConnectionEngine

extension Run {
    func addWarnings() {
        for warning in result.tool.warnings { warn(warning.id, warning.message) }
        warnOfNetwork()
        warnOfEngines()
        warnOfMachine()
    }

    private func warnOfNetwork() {
        let causes = [
            ("TcpExtListenOverflows", "listen-overflow", "an accept queue overflowed"),
            ("TcpExtTCPSynRetrans", "syn-retransmit", "connects were repeated after 1 s or more"),
            ("TcpRetransSegs", "retransmit", "segments were sent again"),
            ("TcpExtTCPMemoryPressures", "tcp-memory", "TCP ran into its memory pressure"),
            ("TcpExtTCPTimeWaitOverflow", "time-wait-overflow", "TIME_WAIT was cut short"),
        ]
        for (counter, id, text) in causes {
            let count = result.counted(counter)
            if count > 0 {
                warn(id, "\(text): \(Count.format(count)) times (\(counter))")
            }
        }
        let dropped = result.counted("SoftnetDropped")
        if dropped > 0 {
            warn(
                "softnet-drop",
                "the loopback queue dropped \(Count.format(dropped)) packets"
                    + " (net.core.netdev_max_backlog); latencies contain their repetition")
        }
        // A connect that was due long ago, behind a rate or a pace, takes as long as one that waited.
        let retries = result.steps.compactMap { $0.synRetries?.text }
        if let first = retries.first, result.counted("TcpExtTCPSynRetrans") > 0 {
            warn("syn-retries", first)
        }
        if let first = result.governor.first(where: { $0.to != "green" }) {
            warn(
                "governor",
                "the run was held back from \(Decimal1.text(first.seconds)) s on: \(first.text)")
        }
    }

    private func warnOfEngines() {
        var sum = result.serverCounters ?? Counters()
        if let client = result.clientCounters { sum += client }
        let causes: [(KeyPath<Counters, UInt64>, String, String)] = [
            (\.completionOverflows, "cq-overflow", "a completion queue was full"),
            (\.completionsDropped, "cq-dropped", "completions were lost"),
            (\.acceptTableFull, "accept-table-full", "clients were lost at a full table"),
            (\.acceptFailures, "accept-failure", "accept failed and was repeated"),
            (\.bufferStarvations, "buffers", "a receive waited for a buffer"),
        ]
        for (path, id, text) in causes where sum[keyPath: path] > 0 {
            warn(id, "\(text): \(Count.format(Int(sum[keyPath: path]))) times")
        }
        let ioWorkers = result.steps.map(\.ioWorkerThreads).max() ?? 0
        if ioWorkers > 0 {
            warn("io-worker", "\(ioWorkers) kernel threads of io_uring did network work")
        }
        warnOfProbes()
    }

    private func warnOfProbes() {
        let unanswered = result.steps.compactMap { step -> String? in
            guard let probe = step.probe, probe.answered < probe.due else { return nil }
            return "\(Count.format(probe.due - probe.answered)) of \(Count.format(probe.due))"
                + " at \(Count.format(step.connections)) connections"
        }
        if !unanswered.isEmpty {
            warn(
                "rate-not-reached",
                "requests were not answered in time ("
                    + unanswered.joined(separator: ", ") + "): lower --rate")
        }
        let isClosed = result.plan.load.loop == .closed
        if isClosed, result.steps.contains(where: { $0.probe != nil }) {
            warn(
                "closed-loop",
                "latencies are those of a closed loop: while a request waits no other is sent on its"
                    + " connection, so waiting is left out of the percentiles (coordinated omission)"
            )
        }
        let bound = result.steps.compactMap { step in
            step.probe?.generator.flatMap { $0.isBound == true ? (step, $0.reason) : nil }
        }
        if let (step, reason) = bound.last {
            warn(
                "client-saturated",
                "the client was the bottleneck at \(Count.format(step.connections)) connections:"
                    + " \(reason); "
                    + (isClosed
                        ? "the rate is what it could do" : "lower --rate, or give more --workers"))
        }
    }

    private func warnOfMachine() {
        if let step = result.steps.last(where: { $0.verified && $0.kernelCount != $0.connections }),
            let count = step.kernelCount
        {
            warn(
                "foreign-sockets",
                "the kernel counted \(Count.format(count)) connections at"
                    + " \(Count.format(step.connections)): other programs' sockets came or went")
        }
        let phases = result.steps.flatMap {
            [$0.rampProcessor] + [$0.probe?.processor].compactMap { $0 }
        }
        let machines = phases.compactMap(\.machine)
        let total = machines.reduce(0) { $0 + $1.totalSeconds }
        let stolen = machines.reduce(0) { $0 + $1.stealSeconds }
        if total > 0, stolen / total > 0.02 {
            warn(
                "steal",
                "the hypervisor took \(Int(saturating: stolen / total * 100)) % of the processors")
        }
        if let ratio = result.ramp?.lastToFirstRatio, ratio < 0.6 {
            warn(
                "rate-fell",
                "the connect rate fell to \(Int(saturating: ratio * 100)) % of its beginning")
        }
    }
}
