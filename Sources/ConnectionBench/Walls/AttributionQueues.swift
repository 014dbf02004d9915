// The rules for queues that drop in silence: each has to have dropped what was sent again.

import ConnectionEngine

extension Attribution {
    /// Connects without an answer: some queue on the way is full, or drops. `nil` when none is
    /// suspected, unknown when several are.
    var silentQueues: Verdict? {
        let suspects = [conntrack, acceptQueue, packetQueue].compactMap { $0 }
        if suspects.count <= 1 { return suspects.first }
        return unknown(suspects.map { $0.proof[0] })
    }

    private var sentAgain: Int { network("TcpExtTCPSynRetrans") }
    private var sentAgainText: String { "\(Count.format(sentAgain)) SYNs sent again" }

    /// A full table alone says nothing: other programs may have filled it, while no rule tracks
    /// these connections.
    private var conntrack: Verdict? {
        guard let count = seen.conntrackCount, let limit = seen.conntrackMax, limit > 0,
            count >= limit - limit / 20, sentAgain > 0, seen.conntrackDrops != 0,
            preflight?.cost.calibration?.conntrackEntriesPerConnection != 0
        else { return nil }
        let drops = seen.conntrackDrops.map {
            "\(Count.format($0)) packets dropped (/proc/net/stat/nf_conntrack)"
        }
        return Verdict(
            .conntrack, .host, drops == nil ? .medium : .high,
            proof: [
                "\(Count.format(count)) entries of nf_conntrack_max \(Count.format(limit))",
                drops, sentAgainText,
            ].compactMap { $0 },
            remedy: remedy(.conntrack)
                ?? "sysctl -w net.netfilter.nf_conntrack_max=…, or a notrack rule")
    }

    /// Every SYN that is sent again was dropped before: a listener explains as many as it dropped,
    /// because its queue of accepted or of half-open connections was full. It does so only while
    /// clients wait in one of them.
    private var acceptQueue: Verdict? {
        let overflows = seen.serverNetwork["TcpExtListenOverflows", default: 0]
        let halfOpen = seen.serverNetwork["TcpExtTCPReqQFullDrop", default: 0]
        guard overflows > 0, sentAgain > 0, 2 * (overflows + halfOpen) >= sentAgain,
            waiting > 0 || seen.opening > 0
        else { return nil }
        return Verdict(
            // Without the servers' counters it may be their accepts that failed.
            .acceptQueue, .server, seen.server.turns > 0 ? .high : .medium,
            proof: [
                "\(Count.format(overflows)) times an accept queue was full (ListenOverflows)",
                halfOpen > 0
                    ? "\(Count.format(halfOpen)) times the one before it, of half-open connections"
                        + " (TCPReqQFullDrop)" : nil,
                sentAgainText, "\(Count.format(waiting)) connections wait to be accepted",
            ].compactMap { $0 },
            remedy: "a larger --backlog and net.core.somaxconn, more listeners, or a lower"
                + " --connect-rate")
    }

    private var packetQueue: Verdict? {
        let dropped = seen.serverNetwork["SoftnetDropped", default: 0]
        guard sentAgain > 0, dropped >= sentAgain else { return nil }
        return Verdict(
            .packetQueue, .host, .medium,
            proof: [
                "\(Count.format(dropped)) packets dropped (softnet_stat)",
                facts.netdevMaxBacklog.map { "netdev_max_backlog \(Count.format($0))" },
                sentAgainText,
            ].compactMap { $0 },
            remedy: "sysctl -w net.core.netdev_max_backlog="
                + "\(10 * (facts.netdevMaxBacklog ?? 1_000))")
    }
}
