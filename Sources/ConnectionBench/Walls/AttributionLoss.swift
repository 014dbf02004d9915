// Why connections ended though nobody asked for it.

import ConnectionEngine

extension Attribution {
    /// Why connections ended though nobody asked.
    public var loss: Verdict {
        let lost = max(seen.serverLost, seen.clientLosses.values.reduce(0, +))
        let errors = Set(seen.clientLosses.keys).union([seen.serverLossErrno].compactMap { $0 })
        let names = errors.isEmpty ? "an orderly end" : errors.sorted().joined(separator: ", ")
        let text = "\(Count.format(lost)) connections lost with \(names)"
        let timeouts = network("TcpExtTCPAbortOnTimeout")
        if let memory = tcpMemory(lost, text) { return memory }
        if errors == ["ETIMEDOUT"],
            let name = seen.stoppedServers.first ?? seen.stoppedClients.first
        {
            return Verdict(
                .frozenPeer, seen.stoppedServers.isEmpty ? .client : .server, .medium,
                proof: ["\(name) is stopped (state T of /proc/<pid>/stat)", text],
                remedy: "let it go on: kill -CONT, or find who stopped it")
        }
        // What the servers close by themselves is a reset at the other end, too.
        let refused =
            seen.server.acceptFailuresNoThread + seen.server.acceptFailuresNoWatch
            + seen.server.acceptTableFull
        let resets: Set = ["ECONNABORTED", "ECONNRESET", "EPIPE"]
        guard !errors.isEmpty, errors.isSubset(of: resets), errors != ["EPIPE"], timeouts == 0,
            network("TcpExtTCPAbortOnMemory") == 0, refused == 0
        else { return unknown(text) }
        return Verdict(
            .outside, .host, errors.contains("ECONNABORTED") ? .high : .medium,
            proof: [
                text,
                "neither side closed one: client \(Count.format(seen.clientOpen)), server"
                    + " \(Count.format(seen.serverOpen)) left",
                "0 aborts by timeout or for lack of memory (TCPAbortOnTimeout, TCPAbortOnMemory)",
            ],
            remedy: "find who ends sockets here: ss -K, a firewall that resets, an operator")
    }

    /// The counter also counts closed sockets beyond tcp_max_orphans, of any program.
    private func tcpMemory(_ lost: Int, _ text: String) -> Verdict? {
        let aborts = network("TcpExtTCPAbortOnMemory")
        guard aborts > 0, let limit = facts.tcpMemoryPages?.last else { return nil }
        guard seen.tcpMemoryPages >= limit - limit / 10, 2 * aborts >= lost else { return nil }
        return Verdict(
            .tcpMemory, .host, .high,
            proof: [
                "\(Count.format(aborts)) aborts for lack of memory (TCPAbortOnMemory)", text,
                "\(Count.format(seen.tcpMemoryPages)) pages of unread data of tcp_mem"
                    + " \(Count.format(limit))",
            ], remedy: "raise net.ipv4.tcp_mem, or let less data wait unread")
    }
}
