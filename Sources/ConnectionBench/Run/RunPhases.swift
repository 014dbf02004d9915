// The phases of a run on its way up: ramp, verify, sweep, hold.

import ConnectionEngine
import Glibc

/// The kernel counts all sockets of the network namespace. Other programs' come and go, so its count
/// may differ by so many connections; the exact figure is in the result.
let foreignConnectionsMax = 64

extension Run {
    // MARK: A step

    func climb(to step: Int) throws {
        guard let group else { return }
        var ramp = Ramp(self, group, step)
        // The step is in the result whatever interrupts it.
        defer { add(ramp.record) }
        do {
            let reports = try self.ramp(&ramp, group, stallSeconds: stallSeconds)
            if reports.contains(where: \.gaveUp) { throw RampEnd(reports: reports) }
            if let seconds = awaitAccepted(group) {
                throw RampEnd(stalledSeconds: seconds, reports: reports)
            }
            finish(&ramp, reports, group)
        } catch let end as RampEnd {
            throw try stopAtWall(&ramp, group, end)
        } catch let stop as GovernorStop {
            throw try stopAtWall(&ramp, group, RampEnd(governor: stop))
        } catch {
            finish(&ramp, [], group)
            throw error
        }
        try measureMemory(&ramp.record, group)
        if plan.probeSeconds > 0, soak == nil { ramp.record.probe = try probe(group, step) }
        show(ramp.record)
        try checkProbe(ramp.record)
        try checkVerified(ramp.record)
    }

    private func checkVerified(_ record: StepResult) throws {
        guard !record.verified else { return }
        throw RunStop(
            .unverified,
            "\(Count.format(record.connections)) connections: \(record.countsText)", exitCode: 1)
    }

    /// The kernel sends a lost SYN again after 1, 3, 7 and 15 s: no shorter time is a standstill for
    /// everybody.
    var stallSeconds: Double { plan.stallSeconds ?? 20 }

    /// What one ramp knows from its start.
    struct Ramp {
        var record: StepResult
        let openBefore: Int
        let meter: PhaseMeter
        let startedAt: MonotonicTime

        init(_ run: Run, _ group: ProcessGroup, _ step: Int) {
            record = StepResult(connections: step)
            openBefore = group.board.sum(.open, rows: group.clientRows)
            run.begin(.ramp, target: step)
            meter = PhaseMeter(group)
            startedAt = .now
            record.rampStartSeconds = startedAt.seconds(since: run.startedAt)
        }
    }

    /// Connects up to the step.
    ///
    /// - Throws: ``RampEnd`` when nothing moves any more, ``GovernorStop`` at the floor of memory.
    func ramp(
        _ ramp: inout Ramp, _ group: ProcessGroup, stallSeconds: Double
    ) throws -> [LoadReport] {
        let (step, openBefore, startedAt) =
            (ramp.record.connections, ramp.openBefore, ramp.startedAt)
        var stall = StallWatch(seconds: stallSeconds)
        watch.isClimbing = true
        defer { watch.isClimbing = false }
        return try group.load({ worker in
            .ramp(target: Run.share(of: step, worker, group.workersPerSide))
        }) { [watch] in
            let open = group.board.sum(.opened, rows: group.clientRows)
            let failed = group.board.sum(.failed, rows: group.clientRows)
            let accepted = group.board.sum(.opened, rows: group.serverRows)
            let line = RampLine(
                open: open, target: step, before: openBefore,
                seconds: MonotonicTime.now.seconds(since: startedAt))
            show(
                line.text(watch.sampler.judgement), part: line.part, secondsLeft: line.secondsLeft,
                perSecond: line.perSecond)
            // A pace of none is the governor's doing, and no stall.
            if watch.sampler.judgement.pace < 0 { stall.touch() }
            if let seconds = stall.check(open + failed + accepted) {
                throw RampEnd(stalledSeconds: seconds)
            }
        }
    }

    /// A connection with a wrong answer is given up, and the next ramp would make another one.
    private func checkProbe(_ record: StepResult) throws {
        guard let probe = record.probe, probe.wrongAnswers > 0 else { return }
        throw RunStop(
            .unverified,
            "\(Count.format(probe.wrongAnswers)) answers at \(Count.format(record.connections))"
                + " connections were wrong: the server's bytes are not those of the client",
            exitCode: 1)
    }

    static func share(of total: Int, _ worker: Int, _ workers: Int) -> Int {
        total / workers + (worker < total % workers ? 1 : 0)
    }

    /// The client's connect is over before the server's accept: gives it time to catch up, and more
    /// as long as it does. The kernel repeats what an accept queue has dropped after 1, 3, 7 and
    /// 15 s, so the pause between two of these is no end.
    ///
    /// - Returns: how long nothing was accepted any more although clients wait; `nil`: none waits.
    @discardableResult
    func awaitAccepted(_ group: ProcessGroup, seconds: Double? = nil) -> Double? {
        var stall = StallWatch(seconds: seconds ?? stallSeconds)
        let expected = group.board.sum(.open, rows: group.clientRows)
        while true {
            let accepted = group.board.sum(.open, rows: group.serverRows)
            if accepted >= expected { return nil }
            if let seconds = stall.check(accepted) { return seconds }
            watch.sleep(milliseconds: 1)
            if watch.isInterrupted { return nil }
        }
    }

    /// Counts the ramp's connections on both sides and in the kernel.
    func finish(_ ramp: inout Ramp, _ reports: [LoadReport], _ group: ProcessGroup) {
        let seconds = group.secondsUntilLastOpen(since: ramp.startedAt)
        ramp.record.rampProcessor = ramp.meter.read(group)
        ramp.record.rampSeconds = seconds
        count(&ramp.record, group)
        ramp.record.connectionsAdded = ramp.record.clientEstablished - ramp.openBefore
        ramp.record.connectsPerSecond =
            seconds > 0 ? Double(ramp.record.connectionsAdded) / seconds : 0
        let connects = Connects(reports, result.host)
        ramp.record.connectFailures = connects.failures
        ramp.record.connectLatency = connects.histogram.summary
        ramp.record.connectHistogram = connects.histogram.base64
        ramp.record.synRetries = connects.synRetries
        let marks = reports.flatMap(\.rampMarksNanoseconds).sorted()
        var timeline = result.ramp ?? RampTimeline()
        timeline.add(
            marks, every: LoadReport.rampMarkInterval(workers: group.workersPerSide),
            from: ramp.openBefore, startedAt: ramp.startedAt, secondsBefore: rampSecondsBefore,
            end: (ramp.record.clientEstablished, seconds))
        result.ramp = timeline
        rampSecondsBefore += seconds
    }

    func count(_ record: inout StepResult, _ group: ProcessGroup) {
        record.clientEstablished = group.board.sum(.open, rows: group.clientRows)
        record.serverAccepted = group.board.sum(.open, rows: group.serverRows)
        record.kernelCount = kernelCount()
        record.verified =
            record.clientEstablished == record.connections
            && record.serverAccepted == record.connections
            && record.kernelCount.map { abs($0 - record.connections) <= foreignConnectionsMax }
                ?? false
    }

    /// Connections by the kernel's count of sockets, since the start.
    private func kernelCount() -> Int? {
        guard let baseline,
            let server = try? network.asServer({ try SocketStatistics.read() }),
            let client = try? network.asClient({ try SocketStatistics.read() })
        else { return nil }
        let grown =
            network.isShared
            ? server.tcpInUse - baseline.server.sockets.tcpInUse
            : server.tcpInUse - baseline.server.sockets.tcpInUse
                + client.tcpInUse - baseline.client.sockets.tcpInUse
        return grown / 2
    }

    func measureMemory(_ record: inout StepResult, _ group: ProcessGroup) throws {
        guard let baseline else { return }
        let kernel = try KernelMemory.read().growth(since: baseline.kernel)
        record.kernelMemory = kernel
        record.kernelBytesPerConnection = kernel.bytesPerConnection(record.connections)
        let server = ProcessUsage.sum(of: group.serverPids).usage
        let client = ProcessUsage.sum(of: group.clientPids).usage
        record.serverUserBytes = server.proportionalBytes
        record.clientUserBytes = client.proportionalBytes
        if let one = server.proportionalBytes, let other = client.proportionalBytes {
            record.userBytesPerConnection = Double(one + other) / Double(record.connections)
        }
        record.ioWorkerThreads = server.ioWorkerCount + client.ioWorkerCount
        record.memoryAvailableBytes = try KernelMemory.memAvailable()
        let memory = try UsableMemory.read()
        record.memoryUsableBytes = memory.usableBytes(
            since: baseline.memory, connections: record.connections)
        record.conntrackCount = network.asServer { Conntrack.count() }
        record.controlGroupUsedBytes = ControlGroup(files: HostFiles(root: "")).memory()?.used
    }

    // MARK: All that is held

    /// Every connection echoes once; then, and only then, they are said to be held.
    func sweep() throws {
        if let last = result.steps.last { try sweep(of: last.connections) }
    }

    func sweep(of connections: Int) throws {
        guard let group else { return }
        var record = SweepResult()
        let echoesBefore = group.board.sum(.echoes, rows: group.clientRows)
        begin(.sweep, target: connections)
        record.startSeconds = events.currentPhase.seconds
        let meter = PhaseMeter(group)
        let startedAt = MonotonicTime.now
        var stall = StallWatch(seconds: 30)
        let reports = try group.load({ _ in .sweep }) {
            let echoed = group.board.sum(.echoes, rows: group.clientRows) - echoesBefore
            show(
                "echo on every connection: \(Count.format(echoed)) of"
                    + " \(Count.format(connections))",
                part: Double(echoed) / Double(max(connections, 1)))
            if stall.check(echoed) != nil {
                throw RunStop(
                    .stalled, "no echo for 30 s, \(Count.format(echoed)) are done", exitCode: 1)
            }
        }
        record.seconds = MonotonicTime.now.seconds(since: startedAt)
        record.processor = meter.read(group)
        record.wrongAnswers = group.board.sum(.wrong, rows: group.clientRows)
        var latency = LatencyHistogram()
        for report in reports {
            latency.add(report.echoLatency)
            record.neverEchoed += report.neverEchoed
        }
        record.connectionsEchoed =
            group.board.sum(.open, rows: group.clientRows) - record.neverEchoed
        record.echoesPerSecond = Double(latency.count) / max(record.seconds, 1e-9)
        record.closedLoopLatency = latency.summary
        result.sweep = record
        guard record.wrongAnswers == 0, record.connectionsEchoed == connections else {
            throw RunStop(
                .unverified,
                "\(Count.format(record.connectionsEchoed)) of \(Count.format(connections))"
                    + " connections have echoed, \(record.wrongAnswers) answers were wrong",
                exitCode: 1)
        }
        progress.say(
            "echoed on all \(Count.format(record.connectionsEchoed)) connections, every byte right,"
                + " in \(Decimal1.text(record.seconds)) s")
    }

    /// Nothing is sent: what does it cost just to have them?
    func hold() throws {
        guard let group else { return }
        begin(.hold, target: result.steps.last?.connections)
        let meter = PhaseMeter(group)
        // What was verified: some may have ended since.
        let openBefore = result.steps.last?.connections ?? group.serverConnections
        let startedAt = MonotonicTime.now
        let end = startedAt.advanced(byNanoseconds: UInt64(plan.holdSeconds * 1e9))
        // What was held so far is in the result whatever interrupts it.
        defer {
            result.hold = HoldResult(
                startSeconds: startedAt.seconds(since: self.startedAt),
                seconds: MonotonicTime.now.seconds(since: startedAt),
                // Idle clients listen to nothing: the servers notice an end.
                connectionsLost: max(0, openBefore - group.serverConnections),
                processor: meter.read(group))
        }
        while .now < end {
            watch.sleep(milliseconds: 20)
            try watch.check(group.children)
            let left = end.seconds(since: .now)
            show(
                "hold, \(Decimal1.text(left)) s left", part: 1 - left / plan.holdSeconds,
                secondsLeft: left)
            // They will not come back: there is nothing to wait for.
            if group.serverConnections < openBefore { break }
        }
        var left = group.serverConnections
        guard left < openBefore else { return }
        var settled = StallWatch(seconds: 0.3)
        while settled.check(left) == nil {
            watch.sleep(milliseconds: 10)
            left = group.serverConnections
        }
        throw lostWhileHeld(openBefore - left, group)
    }
}
