// The end of a climb before its target: what is there is kept in order, and the wall is named.

import ConnectionEngine
import Glibc

/// A ramp cannot go on: connects fail, or nothing moves.
struct RampEnd: Error {
    var stalledSeconds = 0.0
    var governor: GovernorStop?
    /// Of clients that gave up by themselves.
    var reports: [LoadReport] = []
}

extension Run {
    /// Climbs on until the predicted wall is met, or up to what others need.
    func meetWall(_ last: Climb.LastStretch) throws {
        guard let group else { return }
        var ramp = Ramp(self, group, last.target)
        defer { add(ramp.record) }
        var end = RampEnd()
        do {
            let reports = try self.ramp(&ramp, group, stallSeconds: 6)
            end.reports = reports
            if !reports.contains(where: \.gaveUp) {
                throw try stopBeforeWall(&ramp, reports, group, last)
            }
        } catch let stop as RampEnd {
            end = stop
        } catch let stop as GovernorStop {
            end.governor = stop
        }
        throw try stopAtWall(&ramp, group, end)
    }

    /// The target was reached: the wall is named by the prediction alone.
    private func stopBeforeWall(
        _ ramp: inout Ramp, _ reports: [LoadReport], _ group: ProcessGroup,
        _ last: Climb.LastStretch
    ) throws -> RunStop {
        awaitAccepted(group)
        finish(&ramp, reports, group)
        let wall = last.wall
        if last.meets {
            result.verdict = Verdict(
                .unknown, .host, .low,
                proof: [
                    "\(Count.format(last.target)) connections reached without meeting"
                        + " \(wall.resource.title), predicted at"
                        + " \(Count.format(wall.connectionsSafe))"
                ], remedy: "the prediction is wrong here: please report it with the --json result")
        } else {
            result.verdict = Verdict(
                wall.resource, .host, .medium,
                proof: [
                    "\(wall.origin) is \(wall.limitText)", wall.formula,
                    "stopped \(Count.format(wall.connectionsKept)) connections before it, which"
                        + " the host's other programs need",
                ],
                remedy: result.preflight?.remedy(for: wall, connections: 2 * wall.connectionsMax)
                    ?? "")
        }
        return try settle(&ramp, group)
    }

    /// Takes what was seen, gives up what was not accepted, and finds the cause.
    func stopAtWall(
        _ ramp: inout Ramp, _ group: ProcessGroup, _ end: RampEnd
    ) throws -> RunStop {
        // To look takes a while, in which nothing shall be added.
        watch.sampler.holdConnects(true)
        defer { watch.sampler.holdConnects(false) }
        progress.say(
            "the climb ends at \(Count.format(group.board.sum(.open, rows: group.clientRows)))")
        var evidence = gather(group, target: ramp.record.connections)
        evidence.stalledSeconds = end.stalledSeconds
        let machine = ramp.meter.read(group).machine
        evidence.busyShare = machine.map {
            $0.busySeconds / max($0.totalSeconds - $0.stealSeconds, 1e-9)
        }
        evidence.stealShare = machine.map { $0.stealSeconds / max($0.totalSeconds, 1e-9) }
        if let stop = end.governor { evidence.governor = transition(stop.judgement, group) }
        let reports = end.reports + giveUpUnaccepted(group)
        finish(&ramp, reports, group)
        evidence.connectErrors = ramp.record.connectFailures
        evidence.clientLosses = losses(reports)
        result.evidence = evidence
        result.verdict =
            Attribution(
                facts: result.hostOfChildren, evidence: evidence, preflight: result.preflight
            ).stop
        return try settle(&ramp, group)
    }

    /// Measures what is held at the wall, echoes on all of it, and says how it ended.
    private func settle(_ ramp: inout Ramp, _ group: ProcessGroup) throws -> RunStop {
        let reached = min(ramp.record.clientEstablished, ramp.record.serverAccepted)
        ramp.record.connections = reached
        count(&ramp.record, group)
        result.prediction?.reached = reached
        try measureMemory(&ramp.record, group)
        show(ramp.record)
        let verdict = result.verdict
        let canEcho = ramp.record.verified && verdict?.wall != .frozenPeer && reached > 0
        if canEcho, !watch.sampler.hasKilled {
            do {
                if plan.probeSeconds > 0 { ramp.record.probe = try probe(group, reached) }
                if plan.sweeps { try sweep(of: reached) }
            } catch let stop as RunStop where stop.reason.kind != .interrupted {
                // The wall is the news; that the echo failed as well comes beside it.
                warn("no-sweep", "not every connection echoed: \(stop.reason.message)")
            } catch let stop as GovernorStop {
                warn(
                    "no-sweep", "the echo on every connection was cut short: \(stop.judgement.text)"
                )
            }
        }
        let sentence = verdict?.sentence ?? "the climb has ended"
        let remedy = verdict.map { $0.remedy.isEmpty ? "" : ". Remedy: \($0.remedy)" } ?? ""
        return RunStop(
            .wall, "at \(Count.format(reached)) connections " + sentence + remedy, exitCode: 77)
    }

    /// Ends the newest connections until none waits to be accepted, and connects on their way.
    private func giveUpUnaccepted(_ group: ProcessGroup) -> [LoadReport] {
        watch.isShedding = true
        defer { watch.isShedding = false }
        var reports: [LoadReport] = []
        for round in 0..<60 {
            let open = group.board.sum(.open, rows: group.clientRows)
            var keep = min(open, group.board.sum(.open, rows: group.serverRows))
            let isRed = watch.sampler.judgement.level >= .red
            // While the governor says red, 5 % go in each round; the sampler looks 20 times a second.
            if isRed { keep = min(keep, open - open / 20) }
            if round > 0, keep == open { break }
            guard !watch.sampler.hasKilled, let some = shed(group, keeping: keep) else { break }
            if round == 0 { reports = some }
            // Those that had been accepted make room for those that had not.
            awaitAccepted(group, seconds: 4)
            if isRed { watch.sleep(milliseconds: 100) }
        }
        return reports
    }

    private func shed(_ group: ProcessGroup, keeping keep: Int) -> [LoadReport]? {
        let rows = Array(group.clientRows)
        let opens = rows.map { group.board.row($0)[.open] }
        let total = opens.reduce(0, +)
        let deadline = MonotonicTime.now.advanced(byNanoseconds: 20_000_000_000)
        // Each worker gives up its part, by how many it has.
        var targets = opens.map { total > 0 ? $0 * keep / total : 0 }
        var rest = max(0, keep - targets.reduce(0, +))
        for index in targets.indices where rest > 0 && targets[index] < opens[index] {
            targets[index] += 1
            rest -= 1
        }
        do {
            return try group.load({ .shed(target: targets[$0]) }) {
                if MonotonicTime.now > deadline {
                    throw RunStop(.stalled, "giving up connections took too long", exitCode: 1)
                }
            }
        } catch {
            let reason = (error as? RunStop)?.reason.message ?? "\(error)"
            warn("shed", "connections could not be given up in order: \(reason)")
            return nil
        }
    }

    /// For a phase that adds nothing: the host needs what is held.
    func governed(_ stop: GovernorStop) -> StopReason {
        guard let group else {
            return StopReason(kind: .wall, message: stop.judgement.text, exitCode: 77)
        }
        var evidence = gather(group, target: plan.connections)
        evidence.governor = transition(stop.judgement, group)
        result.evidence = evidence
        let verdict = Attribution(
            facts: result.hostOfChildren, evidence: evidence, preflight: result.preflight
        ).stop
        result.verdict = verdict
        return StopReason(
            kind: .wall, message: "\(stop.judgement.level.name): \(verdict.sentence)",
            exitCode: 77)
    }

    func lostWhileHeld(_ lost: Int, _ group: ProcessGroup) -> RunStop {
        var evidence = gather(group, target: plan.connections)
        evidence.serverLost = lost
        let code = group.board.max(.lastError, rows: group.serverRows)
        if code > 0 { evidence.serverLossErrno = Errno(CInt(code)).name }
        let clientCode = group.board.max(.lastError, rows: group.clientRows)
        let clientLost = group.board.sum(.lost, rows: group.clientRows)
        if clientLost > 0, clientCode > 0 {
            evidence.clientLosses = [Errno(CInt(clientCode)).name: clientLost]
        }
        result.evidence = evidence
        let verdict = Attribution(
            facts: result.hostOfChildren, evidence: evidence, preflight: result.preflight
        ).loss
        result.verdict = verdict
        return RunStop(
            .unverified,
            "\(Count.format(lost)) connections were lost while held: \(verdict.sentence)",
            exitCode: 1)
    }

    private func losses(_ reports: [LoadReport]) -> [String: Int] {
        var losses: [String: Int] = [:]
        for report in reports {
            for (code, count) in report.losses {
                losses[code == 0 ? "end of stream" : Errno(code).name, default: 0] += count
            }
        }
        return losses
    }

    private func transition(
        _ judgement: Governor.Judgement, _ group: ProcessGroup
    ) -> GovernorTransition {
        GovernorTransition(
            from: judgement.level.name, to: judgement.level.name,
            trigger: judgement.trigger ?? .memory, text: judgement.text,
            seconds: MonotonicTime.now.seconds(since: startedAt),
            connections: group.board.sum(.open, rows: group.clientRows))
    }
}
