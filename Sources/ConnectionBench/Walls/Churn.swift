// Connections that ended in order, and lost the minute that their ports should have rested.

/// What the end of a run met; `nil` when every one of them could stay in TIME_WAIT.
enum Churn {
    static func verdict(_ result: RunResult) -> Verdict? {
        let overflows = result.counted("TcpExtTCPTimeWaitOverflow")
        guard overflows > 0, let limit = result.host.timeWaitMax else { return nil }
        return Verdict(
            // In the host's network others may have had a part in it.
            .timeWait, .client, result.plan.isolation == .none ? .medium : .high,
            proof: [
                "\(Count.format(overflows)) ended without TIME_WAIT (TCPTimeWaitOverflow)",
                "net.ipv4.tcp_max_tw_buckets is \(Count.format(limit))",
                "\(Count.format(result.teardown?.timeWait ?? 0)) in TIME_WAIT at the end",
            ],
            remedy: "sysctl -w net.ipv4.tcp_max_tw_buckets=\(2 * (limit + overflows)), or let the"
                + " side close first that has ports to spare")
    }
}
