// From what was seen to what stopped it: pure, so that every rule is tested with literals.

import ConnectionEngine

/// Finds the wall behind a stop.
///
/// An errno or a counter names a suspect; a second figure has to agree with it before it is called
/// the cause. Where two suspects are left, or none, the verdict is unknown and says what was seen:
/// counters belong to the whole namespace or machine, and may have moved for other programs.
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
        governed ?? frozen ?? (seen.stalledSeconds > 0 ? stalled : gaveUp)
    }

    /// Nothing moved. Every failed connect counts as a movement, so that none explains this: only
    /// what keeps silent does.
    private var stalled: Verdict {
        // A client that could not be accepted waits; where none does, the failures are long past.
        (waiting > 0 ? failedAccepts : nil) ?? silentQueues ?? unknownStop
    }

    /// The clients gave up: too many connects failed, or the plan has no further tuple.
    private var gaveUp: Verdict {
        let failed = seen.connectErrors.values.reduce(0, +)
        let lost = seen.clientLosses.values.reduce(0, +)
        // Connections that broke again used up the plan. What refused them is the servers' to say.
        if lost > failed { return failedAccepts ?? unknownStop }
        let spent = waiting <= 0 ? spentPlan : nil
        return failedConnects ?? spent ?? failedAccepts ?? spentPlan ?? unknownStop
    }

    // MARK: Named by the governor or by a process

    private var governed: Verdict? {
        guard let governor = seen.governor else { return nil }
        let connections = "\(Count.format(seen.clientOpen)) connections"
        let each = seen.bytesPerConnection.map { "\(Count.format($0)) B per connection" }
        switch governor.trigger {
        case .memory:
            return Verdict(
                .memory, .host, .high, proof: [governor.text, connections, each].compactMap { $0 },
                remedy: "more memory, or a lower --memory-floor")
        case .controlGroupMemory:
            return Verdict(
                .controlGroupMemory, .host, .high,
                proof: [governor.text, controlGroupText ?? connections, each].compactMap { $0 },
                remedy: "raise the memory limit of the container or unit (systemd: MemoryMax=,"
                    + " docker: --memory)")
        case .memoryPressure: return pressed(governor)
        case .schedulingDelay: return delayed(governor)
        }
    }

    /// The figure is the whole machine's: another program's control group makes it rise as well.
    private func pressed(_ governor: GovernorTransition) -> Verdict {
        let usable = "\(Count.format(bytes: seen.memoryUsableBytes)) of memory left to use"
        if isGroupFull {
            return Verdict(
                .controlGroupMemory, .host, .medium,
                proof: [governor.text, controlGroupText, usable].compactMap { $0 },
                remedy: "raise the memory limit of the container or unit")
        }
        if seen.memoryUsableBytes < seen.memoryFloorBytes + Governor.slowBytes {
            return Verdict(
                .memory, .host, .medium, proof: [governor.text, usable],
                remedy: "more memory: the kernel already waits for it (/proc/pressure/memory)")
        }
        return unknown(governor.text, usable)
    }

    /// A thread wakes late when processors are short, when the hypervisor takes them, and when the
    /// kernel looks for memory.
    private func delayed(_ governor: GovernorTransition) -> Verdict {
        if seen.memoryUsableBytes <= seen.memoryFloorBytes {
            // That alone would have ended the climb.
            return Verdict(
                .memory, .host, .medium,
                proof: [
                    "\(Count.format(bytes: seen.memoryUsableBytes)) of memory left to use, the floor"
                        + " is \(Count.format(bytes: seen.memoryFloorBytes))", governor.text,
                ], remedy: "more memory, or a lower --memory-floor")
        }
        if isGroupFull { return unknown([governor.text, controlGroupText].compactMap { $0 }) }
        if let steal = seen.stealShare, steal > 0.15 {
            return Verdict(
                .outside, .host, .medium,
                proof: [
                    governor.text, "the hypervisor took \(Int(steal * 100)) % of the processors",
                ], remedy: "measure on a quiet host")
        }
        guard let busy = seen.busyShare, busy > 0.9 else {
            return unknown([governor.text, busyText].compactMap { $0 })
        }
        return Verdict(
            .processors, .host, .medium, proof: [governor.text, busyText].compactMap { $0 },
            remedy: "more processors, fewer processes, or a lower --connect-rate")
    }

    /// A stopped process explains silence, and nothing else.
    private var frozen: Verdict? {
        let others = seen.connectErrors.keys.contains { $0 != "ETIMEDOUT" }
        guard seen.stalledSeconds > 0 || !seen.connectErrors.isEmpty && !others else { return nil }
        let side: Verdict.Side = seen.stoppedServers.isEmpty ? .client : .server
        guard let name = seen.stoppedServers.first ?? seen.stoppedClients.first else { return nil }
        return Verdict(
            .frozenPeer, side, .high,
            proof: [
                "\(name) is stopped (state T of /proc/<pid>/stat)",
                side == .server
                    ? "\(Count.format(max(0, waiting))) connections wait to be accepted" : nil,
                seen.stalledSeconds > 0
                    ? "nothing moved for \(Int(seen.stalledSeconds)) s" : connectErrorText,
            ].compactMap { $0 }, remedy: "let it go on: kill -CONT, or find who stopped it")
    }

    // MARK: Named by an errno

    /// Errnos that mean the same resource.
    private static func family(_ errno: String) -> String {
        switch errno {
        case "EADDRINUSE", "EADDRNOTAVAIL": "ports"
        case "ENOMEM", "ENOBUFS": "memory"
        default: errno
        }
    }

    /// `nil` without failed connects, and when they only were silent.
    private var failedConnects: Verdict? {
        var families: [String: Int] = [:]
        for (errno, count) in seen.connectErrors {
            families[Self.family(errno), default: 0] += count
        }
        let total = families.values.reduce(0, +)
        guard let most = families.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) else {
            return nil
        }
        // Two kinds of failure may have two causes.
        guard 3 * most.value >= 2 * total else { return unknownStop }
        if most.key == "ETIMEDOUT" { return failedAccepts ?? silentQueues ?? unknownStop }
        let members = seen.connectErrors.filter { Self.family($0.key) == most.key }
        let name = members.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? most.key
        return verdict(errno: name, count: members[name] ?? 0, call: "connects", side: .client)
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
        guard let (name, count) = kinds.max(by: { $0.1 < $1.1 }), count > 0 else {
            return counters.acceptFailures == 0
                ? nil
                : unknown(
                    "\(Count.format(Int(counters.acceptFailures))) accepts failed with an errno that"
                        + " names no wall")
        }
        guard 3 * count >= 2 * counters.acceptFailures else {
            let some = kinds.filter { $0.1 > 0 }
                .map { "\(Count.format(Int($0.1))) accepts failed with \($0.0)" }
            return unknown(some)
        }
        return verdict(errno: name, count: Int(count), call: "accepts", side: .server)
    }

    private func verdict(errno: String, count: Int, call: String, side: Verdict.Side) -> Verdict {
        let failed = "\(Count.format(count)) \(call) failed with \(errno)"
        switch errno {
        case "EADDRNOTAVAIL", "EADDRINUSE": return ports(failed, errno)
        case "EMFILE": return descriptors(failed, side)
        case "ENFILE": return systemFiles(failed, side)
        case "ENOSPC" where seen.backend == .epoll:
            return Verdict(
                .epollWatches, side, .high,
                proof: [
                    failed,
                    facts.epollWatchesMax.map { "fs.epoll.max_user_watches \(Count.format($0))" },
                ].compactMap { $0 },
                remedy: remedy(.epollWatches) ?? "sysctl -w fs.epoll.max_user_watches=…")
        case "EAGAIN" where seen.backend == .threads: return threads(failed, side)
        case "ENOMEM", "ENOBUFS": return noMemory(failed, side)
        case "ECONNREFUSED": return unknown("\(failed): nobody listens there (any more)")
        default: return unknown(failed)
        }
    }

    // MARK: Words

    func unknown(_ proof: String...) -> Verdict { unknown(proof) }

    func unknown(_ proof: [String]) -> Verdict {
        Verdict(
            .unknown, .host, .low, proof: proof,
            remedy: "keep the --json result and compare its counters with those of a good run")
    }

    /// Nothing that was seen is a proof.
    private var unknownStop: Verdict {
        let stalled =
            seen.stalledSeconds > 0
            ? "nothing moved for \(Int(seen.stalledSeconds)) s"
            : "no errno and no counter tells why"
        return unknown(
            [
                "\(Count.format(seen.clientOpen)) connections, \(Count.format(max(0, waiting))) of"
                    + " them not accepted: \(stalled)",
                connectErrorText, busyText,
            ].compactMap { $0 })
    }

    private var connectErrorText: String? {
        guard !seen.connectErrors.isEmpty else { return nil }
        let parts = seen.connectErrors.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { "\(Count.format($0.value)) with \($0.key)" }
        return "connects failed: \(parts.joined(separator: ", "))"
    }

    /// Connections that the clients have, and the servers have not.
    var waiting: Int { seen.clientOpen - seen.serverOpen }

    func network(_ name: String) -> Int {
        max(seen.serverNetwork[name, default: 0], seen.clientNetwork[name, default: 0])
    }

    func remedy(_ resource: Wall.Resource) -> String? {
        guard let preflight, let wall = preflight.walls.first(where: { $0.resource == resource })
        else { return nil }
        return preflight.remedy(for: wall, connections: max(seen.target, wall.connectionsMax + 1))
    }

    private var busyText: String? {
        seen.busyShare.map { "all processors busy for \(Int($0 * 100)) %" }
    }

    var controlGroupText: String? {
        guard let group = seen.controlGroupMemory, let limit = group.limit.value else { return nil }
        let events = seen.controlGroupMemoryEvents.map { ", met \(Count.format($0)) times" } ?? ""
        return "\(group.path) is \(Count.format(bytes: limit)),"
            + " \(Count.format(bytes: group.left ?? 0)) left\(events)"
    }

    /// Less than a tenth of the group's memory is left, and as far as it counts, its limit was met.
    var isGroupFull: Bool {
        guard let group = seen.controlGroupMemory, let limit = group.limit.value,
            let left = group.left
        else { return false }
        return left < limit / 10 && seen.controlGroupMemoryEvents != 0
    }
}
