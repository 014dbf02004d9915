// From what was seen to what stopped it: pure, so that every rule is tested with literals.

import ConnectionEngine

/// Finds the wall behind a stop. Rules are asked in the order of how much they prove: an errno names
/// its resource, a counter a queue, and load alone is asked last.
public struct Attribution {
    let facts: HostFacts
    let seen: Evidence
    /// The nearest wall that was predicted, for its remedy.
    let preflight: Preflight?

    public init(facts: HostFacts, evidence: Evidence, preflight: Preflight?) {
        self.facts = facts
        self.seen = evidence
        self.preflight = preflight
    }

    /// Why the climb ended.
    public var stop: Verdict {
        governed ?? frozen ?? failedConnects ?? failedAccepts ?? silentQueues ?? exhausted
            ?? unknown("\(Count.format(seen.clientOpen)) connections, no errno and no counter tell")
    }

    /// Why connections ended though nobody asked.
    public var loss: Verdict {
        let lost = max(seen.serverLost, seen.clientLosses.values.reduce(0, +))
        let errors = Set(seen.clientLosses.keys).union([seen.serverLossErrno].compactMap { $0 })
        let names = errors.isEmpty ? "an orderly end" : errors.sorted().joined(separator: ", ")
        let memory = network("TcpExtTCPAbortOnMemory")
        if memory > 0 {
            return Verdict(
                .tcpMemory, .host, .high,
                proof: [
                    "\(Count.format(memory)) aborts for lack of memory (TCPAbortOnMemory)",
                    "\(Count.format(lost)) connections lost with \(names)", tcpMemoryText,
                ], remedy: "raise net.ipv4.tcp_mem, or let less data wait unread")
        }
        if !seen.stoppedServers.isEmpty || !seen.stoppedClients.isEmpty, let frozen {
            return frozen
        }
        let isReset = !errors.isDisjoint(with: ["ECONNABORTED", "ECONNRESET"])
        let timeouts = network("TcpExtTCPAbortOnTimeout")
        guard isReset, timeouts == 0 else {
            return unknown("\(Count.format(lost)) connections lost with \(names)")
        }
        return Verdict(
            .outside, .host, errors.contains("ECONNABORTED") ? .high : .medium,
            proof: [
                "\(Count.format(lost)) connections lost with \(names)",
                "neither side closed one: client \(Count.format(seen.clientOpen)), server"
                    + " \(Count.format(seen.serverOpen)) left",
                "0 aborts by timeout or for lack of memory (TCPAbortOnTimeout, TCPAbortOnMemory)",
            ],
            remedy: "find who ends sockets here: ss -K, a firewall that resets, an operator")
    }

    // MARK: The rules

    private var governed: Verdict? {
        guard let governor = seen.governor else { return nil }
        let each = seen.bytesPerConnection.map { "\(Count.format($0)) B per connection" }
        switch governor.trigger {
        case .memory:
            return Verdict(
                .memory, .host, .high,
                proof: [
                    "\(Count.format(bytes: seen.memoryUsableBytes)) of memory left to use, the"
                        + " floor is \(Count.format(bytes: seen.memoryFloorBytes))",
                    "\(Count.format(seen.clientOpen)) connections", each,
                ].compactMap { $0 },
                remedy: "more memory, or a lower --memory-floor")
        case .controlGroupMemory:
            return Verdict(
                .controlGroupMemory, .host, .high,
                proof: [controlGroupText, "\(Count.format(seen.clientOpen)) connections", each]
                    .compactMap { $0 },
                remedy: "raise the memory limit of the container or unit (systemd: MemoryMax=,"
                    + " docker: --memory)")
        case .memoryPressure:
            return Verdict(
                .memory, .host, .medium, proof: [governor.text],
                remedy: "more memory: the kernel already waits for it (/proc/pressure/memory)")
        case .schedulingDelay:
            return Verdict(
                .processors, .host, .medium,
                proof: [governor.text, busyText].compactMap { $0 },
                remedy: "more processors, fewer processes, or a lower --connect-rate")
        }
    }

    private var frozen: Verdict? {
        let waiting = seen.clientOpen - seen.serverOpen
        if let name = seen.stoppedServers.first {
            return Verdict(
                .frozenPeer, .server, .high,
                proof: [
                    "\(name) is stopped (state T of /proc/<pid>/stat)",
                    "\(Count.format(waiting)) connections wait to be accepted",
                    "nothing moved for \(Int(seen.stalledSeconds)) s",
                ], remedy: "let it go on: kill -CONT, or find who stopped it")
        }
        if let name = seen.stoppedClients.first {
            return Verdict(
                .frozenPeer, .client, .high,
                proof: [
                    "\(name) is stopped (state T of /proc/<pid>/stat)",
                    "nothing moved for \(Int(seen.stalledSeconds)) s",
                ], remedy: "let it go on: kill -CONT, or find who stopped it")
        }
        return nil
    }

    private var failedConnects: Verdict? {
        let errors = seen.connectErrors.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        guard let (name, count) = errors.first else { return nil }
        return verdict(errno: name, count: count, call: "connects", side: .client)
    }

    private var failedAccepts: Verdict? {
        let counters = seen.server
        let kinds: [(String, UInt64)] = [
            ("EMFILE", counters.acceptFailuresNoDescriptor),
            ("ENFILE", counters.acceptFailuresNoFile),
            ("ENOMEM", counters.acceptFailuresNoMemory),
            ("EAGAIN", counters.acceptFailuresNoThread),
            ("ENOSPC", counters.acceptFailuresNoWatch),
        ]
        guard let (name, count) = kinds.max(by: { $0.1 < $1.1 }), count > 0 else { return nil }
        return verdict(errno: name, count: Int(count), call: "accepts", side: .server)
    }

    private func verdict(errno: String, count: Int, call: String, side: Verdict.Side) -> Verdict {
        let failed = "\(Count.format(count)) \(call) failed with \(errno)"
        switch errno {
        case "EADDRNOTAVAIL", "EADDRINUSE":
            return ports(failed)
        case "EMFILE":
            let used = side == .server ? seen.serverDescriptors : seen.clientDescriptors
            return Verdict(
                .descriptors, side, .high,
                proof: [
                    failed, facts.openFilesHard?.value.map { "RLIMIT_NOFILE \(Count.format($0))" },
                    used.map { "\(Count.format($0)) descriptors open in one process" },
                ].compactMap { $0 }, remedy: remedy(.descriptors) ?? "ulimit -Hn, LimitNOFILE=")
        case "ENFILE":
            return Verdict(
                .systemFiles, side, .high,
                proof: [
                    failed, facts.systemFilesMax.map { "fs.file-max \(Count.format($0))" },
                    seen.systemFilesUsed.map { "\(Count.format($0)) open (/proc/sys/fs/file-nr)" },
                ].compactMap { $0 }, remedy: remedy(.systemFiles) ?? "sysctl -w fs.file-max=…")
        case "ENOSPC" where seen.backend == .epoll:
            return Verdict(
                .epollWatches, side, .high,
                proof: [
                    failed,
                    facts.epollWatchesMax.map { "fs.epoll.max_user_watches \(Count.format($0))" },
                ].compactMap { $0 },
                remedy: remedy(.epollWatches) ?? "sysctl -w fs.epoll.max_user_watches=…")
        case "EAGAIN" where seen.backend == .threads:
            return threads(failed, side)
        case "ENOMEM", "ENOBUFS":
            return noMemory(failed, side)
        case "ETIMEDOUT":
            return silentQueues ?? unknown("\(failed), and no queue says why")
        case "ECONNREFUSED":
            return unknown("\(failed): nobody listens there (any more)")
        default:
            return unknown(failed)
        }
    }

    private func ports(_ failed: String) -> Verdict {
        let wall = preflight?.walls.first { $0.resource == .ports }
        return Verdict(
            .ports, .client, .high,
            proof: [
                failed,
                wall.map { "the plan has \(Count.format($0.connectionsMax)): \($0.formula)" },
                "\(Count.format(seen.clientOpen)) connections, \(Count.format(seen.timeWait)) in"
                    + " TIME_WAIT",
            ].compactMap { $0 },
            remedy: remedy(.ports) ?? "more source addresses, or a wider ip_local_port_range")
    }

    /// A thread could not be made: each limit has its own sign.
    private func threads(_ failed: String, _ side: Verdict.Side) -> Verdict {
        func verdict(_ wall: Wall.Resource, _ proof: String, _ remedy: String) -> Verdict {
            Verdict(
                wall, side, .high,
                proof: [failed, proof, "\(Count.format(seen.clientOpen)) connections"],
                remedy: self.remedy(wall) ?? remedy)
        }
        if let group = seen.controlGroupPids, let limit = group.limit.value,
            (seen.controlGroupPidEvents ?? 0) > 0 || (group.left ?? .max) <= 2
        {
            return verdict(
                .controlGroupThreads,
                "\(group.path) is \(Count.format(limit)), met"
                    + " \(Count.format(seen.controlGroupPidEvents ?? 0)) times (pids.events)",
                "raise TasksMax= or --pids-limit")
        }
        let used = seen.threadsUsed ?? 0
        if let limit = facts.pidMax, used + Preflight.reservedPids + 64 >= limit {
            return verdict(
                .processIDs,
                "\(Count.format(used)) threads of kernel.pid_max \(Count.format(limit))",
                "sysctl -w kernel.pid_max=…")
        }
        if let limit = facts.threadsMax, used + 64 >= limit {
            return verdict(
                .systemThreads,
                "\(Count.format(used)) threads of kernel.threads-max \(Count.format(limit))",
                "sysctl -w kernel.threads-max=…")
        }
        if let limit = facts.userThreadsSoft?.value, facts.hasSystemAdmin != true,
            facts.hasSystemResource != true
        {
            return verdict(
                .userThreads, "RLIMIT_NPROC \(Count.format(limit))", "ulimit -u …")
        }
        return unknown("\(failed), and no limit on threads is near")
    }

    private func noMemory(_ failed: String, _ side: Verdict.Side) -> Verdict {
        if seen.backend == .threads, let limit = facts.mapsPerProcessMax,
            max(seen.serverMaps ?? 0, seen.clientMaps ?? 0) + 16 >= limit
        {
            let used = max(seen.serverMaps ?? 0, seen.clientMaps ?? 0)
            return Verdict(
                .memoryMaps, side, .high,
                proof: [
                    failed,
                    "\(Count.format(used)) mappings of vm.max_map_count \(Count.format(limit))",
                ], remedy: remedy(.memoryMaps) ?? "sysctl -w vm.max_map_count=…")
        }
        if let group = seen.controlGroupMemory, let limit = group.limit.value,
            (seen.controlGroupMemoryEvents ?? 0) > 0 || (group.left ?? .max) < limit / 10
        {
            return Verdict(
                .controlGroupMemory, side, .high,
                proof: [failed, controlGroupText].compactMap { $0 },
                remedy: remedy(.controlGroupMemory) ?? "raise the group's memory limit")
        }
        if seen.memoryUsableBytes < 2 * seen.memoryFloorBytes {
            return Verdict(
                .memory, .host, .medium,
                proof: [
                    failed, "\(Count.format(bytes: seen.memoryUsableBytes)) left to use",
                ], remedy: "more memory")
        }
        if seen.server.ringFailures + seen.client.ringFailures > 0 {
            return Verdict(
                .ioUring, side, .high,
                proof: [
                    failed,
                    "\(Count.format(Int(seen.server.ringFailures + seen.client.ringFailures)))"
                        + " rings could not be made",
                    "\(Count.format(bytes: seen.memoryUsableBytes)) of memory left to use",
                ], remedy: "smaller rings, or look for what refuses memory to io_uring_setup")
        }
        return unknown("\(failed), though there is memory")
    }

    /// Connects without an answer: some queue on the way is full, or drops.
    private var silentQueues: Verdict? {
        if let count = seen.conntrackCount, let limit = seen.conntrackMax, limit > 0,
            count >= limit - limit / 100 || (seen.conntrackDrops ?? 0) > 0
        {
            return Verdict(
                .conntrack, .host, .high,
                proof: [
                    "\(Count.format(count)) entries of nf_conntrack_max \(Count.format(limit))",
                    "\(Count.format(seen.conntrackDrops ?? 0)) packets dropped"
                        + " (/proc/net/stat/nf_conntrack)",
                    "\(Count.format(network("TcpExtTCPSynRetrans"))) SYNs sent again",
                ],
                remedy: remedy(.conntrack)
                    ?? "sysctl -w net.netfilter.nf_conntrack_max=…, or a notrack rule")
        }
        let overflows = seen.serverNetwork["TcpExtListenOverflows", default: 0]
        if overflows > 0 {
            return Verdict(
                .acceptQueue, .server, .high,
                proof: [
                    "\(Count.format(overflows)) times an accept queue was full (ListenOverflows)",
                    "\(Count.format(network("TcpExtTCPSynRetrans"))) SYNs sent again",
                    "\(Count.format(seen.clientOpen - seen.serverOpen)) connections wait to be"
                        + " accepted",
                ],
                remedy: "a larger --backlog and net.core.somaxconn, more listeners, or a lower"
                    + " --connect-rate")
        }
        let dropped = seen.serverNetwork["SoftnetDropped", default: 0]
        if dropped > 0 {
            return Verdict(
                .packetQueue, .host, .medium,
                proof: [
                    "\(Count.format(dropped)) packets dropped (softnet_stat)",
                    facts.netdevMaxBacklog.map { "netdev_max_backlog \(Count.format($0))" },
                    "\(Count.format(network("TcpExtTCPSynRetrans"))) SYNs sent again",
                ].compactMap { $0 },
                remedy: "sysctl -w net.core.netdev_max_backlog="
                    + "\(10 * (facts.netdevMaxBacklog ?? 1_000))")
        }
        return nil
    }

    private var exhausted: Verdict? {
        guard let busy = seen.busyShare, busy > 0.95 else { return nil }
        return Verdict(
            .processors, .host, .low,
            proof: [busyText, "nothing else was short"].compactMap { $0 },
            remedy: "more processors, or a lower --connect-rate")
    }

    // MARK: Words

    private func unknown(_ proof: String) -> Verdict {
        Verdict(
            .unknown, .host, .low, proof: [proof],
            remedy: "keep the --json result and compare its counters with those of a good run")
    }

    private func network(_ name: String) -> Int {
        max(seen.serverNetwork[name, default: 0], seen.clientNetwork[name, default: 0])
    }

    private func remedy(_ resource: Wall.Resource) -> String? {
        guard let preflight, let wall = preflight.walls.first(where: { $0.resource == resource })
        else { return nil }
        return preflight.remedy(for: wall, connections: max(seen.target, wall.connectionsMax + 1))
    }

    private var busyText: String? {
        seen.busyShare.map { "all processors busy for \(Int($0 * 100)) %" }
    }

    private var controlGroupText: String? {
        guard let group = seen.controlGroupMemory, let limit = group.limit.value else { return nil }
        let events = seen.controlGroupMemoryEvents.map { ", met \(Count.format($0)) times" } ?? ""
        return "\(group.path) is \(Count.format(bytes: limit)),"
            + " \(Count.format(bytes: group.left ?? 0)) left\(events)"
    }

    private var tcpMemoryText: String {
        let limit = facts.tcpMemoryPages.map { " of tcp_mem \(Count.format($0[2]))" } ?? ""
        return "\(Count.format(seen.tcpMemoryPages)) pages of unread data\(limit)"
    }
}
