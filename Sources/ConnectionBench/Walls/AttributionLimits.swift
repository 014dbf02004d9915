// The rules for limits that an errno names: each asks for a second figure that agrees.

import ConnectionEngine

extension Attribution {
    func ports(_ failed: String, _ errno: String) -> Verdict {
        let wall = preflight?.walls.first { $0.resource == .ports }
        // bind(2) says it of an address that is not this host's, too; and connect(2) of a pair that
        // is in TIME_WAIT.
        let used = seen.clientOpen + seen.timeWait
        if errno == "EADDRNOTAVAIL", let wall, wall.origin == PortCapacity.plannedOrigin,
            used < wall.connectionsMax / 10 * 9
        {
            return unknown(
                failed,
                "\(Count.format(seen.clientOpen)) connections and \(Count.format(seen.timeWait)) in"
                    + " TIME_WAIT, of \(Count.format(wall.connectionsMax)) that the plan has")
        }
        return portsVerdict(failed, wall)
    }

    /// Every tuple of the plan is a connection: the clients had nothing left to try.
    var spentPlan: Verdict? {
        guard let wall = preflight?.walls.first(where: { $0.resource == .ports }),
            wall.origin == PortCapacity.plannedOrigin,
            seen.clientOpen + seen.connectErrors.values.reduce(0, +) >= wall.connectionsMax
        else { return nil }
        return portsVerdict("the clients have used every source of the plan", wall)
    }

    private func portsVerdict(_ failed: String, _ wall: Wall?) -> Verdict {
        Verdict(
            .ports, .client, .high,
            proof: [
                failed,
                wall.map { "the plan has \(Count.format($0.connectionsMax)): \($0.formula)" },
                "\(Count.format(seen.clientOpen)) connections, \(Count.format(seen.timeWait)) in"
                    + " TIME_WAIT",
            ].compactMap { $0 },
            remedy: remedy(.ports) ?? "more source addresses, or a wider ip_local_port_range")
    }

    /// io_uring's sockets are no descriptors of the process, so that there the errno stands alone.
    func descriptors(_ failed: String, _ side: Verdict.Side) -> Verdict {
        let used = side == .server ? seen.serverDescriptors : seen.clientDescriptors
        let limit = ProcessCapacity.openFiles(facts)
        let proof = [
            failed, limit.map { "RLIMIT_NOFILE \(Count.format($0))" },
            used.map { "\(Count.format($0)) descriptors open in one process" },
        ].compactMap { $0 }
        if seen.backend != .uring, let used, let limit, used < limit / 10 * 9 {
            return unknown(proof)
        }
        return Verdict(
            .descriptors, side, .high, proof: proof,
            remedy: remedy(.descriptors) ?? "ulimit -Hn, LimitNOFILE=")
    }

    /// With io_uring a full table of direct descriptors has the same errno.
    func systemFiles(_ failed: String, _ side: Verdict.Side) -> Verdict {
        let proof = [
            failed, facts.systemFilesMax.map { "fs.file-max \(Count.format($0))" },
            seen.systemFilesUsed.map { "\(Count.format($0)) open (/proc/sys/fs/file-nr)" },
        ].compactMap { $0 }
        let isNear: Bool? =
            if let limit = facts.systemFilesMax, let used = seen.systemFilesUsed {
                used >= limit - limit / 20
            } else {
                nil
            }
        if facts.hasSystemAdmin != true, isNear ?? (seen.backend != .uring) {
            return Verdict(
                .systemFiles, side, isNear == true ? .high : .medium, proof: proof,
                remedy: remedy(.systemFiles) ?? "sysctl -w fs.file-max=…")
        }
        let full = (side == .server ? seen.server : seen.client).acceptTableFull
        guard seen.backend == .uring, full > 0 else { return unknown(proof) }
        return Verdict(
            .ioUring, side, .medium,
            proof: [
                failed,
                "\(Count.format(Int(full))) clients found a full table of direct descriptors",
            ], remedy: "please report it with the --json result: another ring should have been made"
        )
    }

    /// A limit that a new thread may have met.
    private struct ThreadLimit {
        let wall: Wall.Resource
        let proof: String
        var confidence = Verdict.Confidence.high
        let remedy: String
    }

    /// A thread could not be made. pthread_create(3) has one errno for every limit, and for lack of
    /// memory and mappings as well.
    func threads(_ failed: String, _ side: Verdict.Side) -> Verdict {
        let met = threadLimits(side)
        guard let limit = met.first else { return unknownThread(failed, side) }
        // The group counts its refusals: no other limit can have had a part in those.
        guard met.count == 1 || limit.wall == .controlGroupThreads else {
            return unknown([failed] + met.map(\.proof))
        }
        return Verdict(
            limit.wall, side, limit.confidence,
            proof: [failed, limit.proof, "\(Count.format(seen.clientOpen)) connections"],
            remedy: remedy(limit.wall) ?? limit.remedy)
    }

    /// Limits that are met, the group's first.
    private func threadLimits(_ side: Verdict.Side) -> [ThreadLimit] {
        var met: [ThreadLimit] = []
        if let group = seen.controlGroupPids, let limit = group.limit.value,
            let left = group.left, left <= max(2, limit / 10), seen.controlGroupPidEvents != 0
        {
            let events = seen.controlGroupPidEvents.map {
                ", met \(Count.format($0)) times (pids.events)"
            }
            met.append(
                ThreadLimit(
                    wall: .controlGroupThreads,
                    proof: "\(group.path) is \(Count.format(limit)), \(Count.format(left)) left"
                        + (events ?? ""), confidence: events == nil ? .medium : .high,
                    remedy: "raise TasksMax= or --pids-limit"))
        }
        if let limit = facts.mapsPerProcessMax,
            let used = side == .server ? seen.serverMaps : seen.clientMaps, used + 16 >= limit
        {
            met.append(
                ThreadLimit(
                    wall: .memoryMaps,
                    proof: "\(Count.format(used)) mappings of vm.max_map_count"
                        + " \(Count.format(limit))", remedy: "sysctl -w vm.max_map_count=…"))
        }
        guard let used = seen.threadsUsed else { return met }
        func add(
            _ wall: Wall.Resource, _ limit: Int?, reserved: Int, _ name: String, _ remedy: String
        ) {
            guard let limit, used + reserved + 64 >= limit else { return }
            met.append(
                ThreadLimit(
                    wall: wall,
                    proof: "\(Count.format(used)) threads of \(name) \(Count.format(limit))",
                    remedy: remedy))
        }
        add(
            .processIDs, facts.pidMax, reserved: Preflight.reservedPids, "kernel.pid_max",
            "sysctl -w kernel.pid_max=…")
        add(
            .systemThreads, facts.threadsMax, reserved: 0, "kernel.threads-max",
            "sysctl -w kernel.threads-max=…")
        if facts.hasSystemAdmin != true, facts.hasSystemResource != true,
            let limit = facts.userThreadsSoft?.value, let used = seen.userThreadsUsed,
            used + max(16, limit / 20) >= limit
        {
            met.append(
                ThreadLimit(
                    wall: .userThreads,
                    proof: "\(Count.format(used)) threads of this user, RLIMIT_NPROC is"
                        + " \(Count.format(limit))", remedy: "ulimit -u …"))
        }
        return met
    }

    private func unknownThread(_ failed: String, _ side: Verdict.Side) -> Verdict {
        if let short = shortMemory(failed, side, .medium) { return short }
        return unknown("\(failed), and no limit on threads is near")
    }

    func noMemory(_ failed: String, _ side: Verdict.Side) -> Verdict {
        let maps = side == .server ? seen.serverMaps : seen.clientMaps
        if seen.backend == .threads, let limit = facts.mapsPerProcessMax, let maps,
            maps + 16 >= limit
        {
            return Verdict(
                .memoryMaps, side, .high,
                proof: [
                    failed,
                    "\(Count.format(maps)) mappings of vm.max_map_count \(Count.format(limit))",
                ], remedy: remedy(.memoryMaps) ?? "sysctl -w vm.max_map_count=…")
        }
        if let short = shortMemory(failed, side, .high) { return short }
        let rings = (side == .server ? seen.server : seen.client).ringFailures
        if seen.backend == .uring, rings > 0 {
            return Verdict(
                .ioUring, side, .high,
                proof: [
                    failed, "\(Count.format(Int(rings))) rings could not be made",
                    "\(Count.format(bytes: seen.memoryUsableBytes)) of memory left to use",
                ], remedy: "smaller rings, or look for what refuses memory to io_uring_setup")
        }
        return unknown(
            "\(failed), though \(Count.format(bytes: seen.memoryUsableBytes)) of memory are left to"
                + " use")
    }

    /// The control group's memory, or the machine's, where it is at its end.
    private func shortMemory(
        _ failed: String, _ side: Verdict.Side, _ confidence: Verdict.Confidence
    ) -> Verdict? {
        if isGroupFull {
            // Without a count of refusals the group is only nearly full.
            return Verdict(
                .controlGroupMemory, side,
                seen.controlGroupMemoryEvents == nil ? .medium : confidence,
                proof: [failed, controlGroupText].compactMap { $0 },
                remedy: remedy(.controlGroupMemory) ?? "raise the group's memory limit")
        }
        guard seen.memoryUsableBytes <= seen.memoryFloorBytes else { return nil }
        return Verdict(
            .memory, .host, .medium,
            proof: [
                failed,
                "\(Count.format(bytes: seen.memoryUsableBytes)) left to use, the floor is"
                    + " \(Count.format(bytes: seen.memoryFloorBytes))",
            ], remedy: "more memory")
    }
}
