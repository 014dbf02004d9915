// The phases of a run on its way up: ramp, verify, probe, sweep, hold.

import ConnectionEngine
import Glibc

/// The kernel counts all sockets of the network namespace. Other programs' come and go, so its count
/// may differ by so many connections; the exact figure is in the result.
private let foreignConnectionsMax = 64

extension Run {
    // MARK: A step

    func climb(to step: Int) throws {
        guard let group else { return }
        var record = StepResult(connections: step)
        let openBefore = group.board.sum(.open, rows: group.clientRows)
        // The step is in the result whatever interrupts it.
        defer { result.steps.append(record) }
        progress.beginPhase()
        let meter = PhaseMeter(group)
        let startedAt = MonotonicTime.now
        var stall = StallWatch(seconds: 30)
        let reports: [LoadReport]
        do {
            reports = try group.load({ worker in
                .ramp(target: Run.share(of: step, worker, group.workersPerSide))
            }) { [progress] in
                let open = group.board.sum(.opened, rows: group.clientRows)
                let failed = group.board.sum(.failed, rows: group.clientRows)
                progress.update(Run.rampLine(open, of: step, since: startedAt, openBefore))
                try stall.check(open + failed) {
                    "no connect has completed for 30 s at \(Count.format(open)) connections"
                }
            }
            awaitAccepted(step, group)
        } catch {
            finishRamp(&record, [], group, startedAt, openBefore, meter)
            throw error
        }
        finishRamp(&record, reports, group, startedAt, openBefore, meter)
        try checkFailures(reports, record)
        try measureMemory(&record, group)
        if plan.probeSeconds > 0 { record.probe = try probe(group, step) }
        progress.say(StepLine.text(record))
        try checkProbe(record)
        guard record.verified else {
            throw RunStop(
                .unverified,
                "\(Count.format(step)) connections: the client counts"
                    + " \(Count.format(record.clientEstablished)), the server"
                    + " \(Count.format(record.serverAccepted)), the kernel"
                    + " \(record.kernelCount.map { Count.format($0) } ?? "unknown")",
                exitCode: 1)
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

    private static func rampLine(
        _ open: Int, of step: Int, since start: MonotonicTime, _ before: Int
    ) -> String {
        let seconds = MonotonicTime.now.seconds(since: start)
        let rate = Double(open - before) / max(seconds, 0.001)
        let left = rate > 1 ? Double(step - open) / rate : 0
        return "connect \(Count.format(open)) of \(Count.format(step))"
            + "  \(Count.format(Int(rate)))/s  ETA \(Decimal1.text(left)) s"
    }

    /// The client's connect is over before the server's accept: gives it time to catch up.
    private func awaitAccepted(_ step: Int, _ group: ProcessGroup) {
        let deadline = MonotonicTime.now.advanced(byNanoseconds: 5_000_000_000)
        let expected = group.board.sum(.open, rows: group.clientRows)
        while group.board.sum(.open, rows: group.serverRows) < expected, .now < deadline {
            watch.sleep(milliseconds: 1)
        }
    }

    private func finishRamp(
        _ record: inout StepResult, _ reports: [LoadReport], _ group: ProcessGroup,
        _ startedAt: MonotonicTime, _ openBefore: Int, _ meter: PhaseMeter
    ) {
        let endedAt = max(
            group.board.max(.lastOpenAt, rows: group.clientRows),
            group.board.max(.lastOpenAt, rows: group.serverRows))
        record.rampProcessor = meter.read(group)
        record.clientEstablished = group.board.sum(.open, rows: group.clientRows)
        record.serverAccepted = group.board.sum(.open, rows: group.serverRows)
        record.connectionsAdded = record.clientEstablished - openBefore
        let seconds = MonotonicTime(nanoseconds: UInt64(max(endedAt, 0))).seconds(since: startedAt)
        record.rampSeconds = seconds
        record.connectsPerSecond =
            seconds > 0 ? Double(record.connectionsAdded) / seconds : 0
        if let baseline, let now = try? SocketStatistics.read() {
            record.kernelCount = (now.tcpInUse - baseline.sockets.tcpInUse) / 2
        }
        record.verified =
            record.clientEstablished == record.connections
            && record.serverAccepted == record.connections
            && record.kernelCount.map { abs($0 - record.connections) <= foreignConnectionsMax }
                ?? false
        var latency = LatencyHistogram()
        for report in reports {
            latency.add(report.connectLatency)
            for (code, count) in report.failures {
                record.connectFailures[Errno(code).name, default: 0] += count
            }
        }
        record.connectLatency = latency.summary
        let marks = reports.flatMap(\.rampMarksNanoseconds).sorted()
        var timeline = result.ramp ?? RampTimeline()
        timeline.add(
            marks, every: LoadReport.rampMarkInterval(workers: group.workersPerSide),
            from: openBefore, startedAt: startedAt, secondsBefore: rampSecondsBefore,
            end: (record.clientEstablished, seconds))
        result.ramp = timeline
        rampSecondsBefore += seconds
    }

    private func checkFailures(_ reports: [LoadReport], _ record: StepResult) throws {
        guard reports.contains(where: \.gaveUp) else { return }
        let causes = record.connectFailures.map { "\($0.key) \(Count.format($0.value)) times" }
            .sorted().joined(separator: ", ")
        throw RunStop(
            .wall,
            "connect failed at \(Count.format(record.clientEstablished)) connections: "
                + (causes.isEmpty ? "no source address and port left" : causes),
            exitCode: 77)
    }

    private func measureMemory(_ record: inout StepResult, _ group: ProcessGroup) throws {
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
    }

    // MARK: Load

    private func probe(_ group: ProcessGroup, _ step: Int) throws -> ProbeResult {
        var probe = ProbeResult(
            offeredPerSecond: plan.requestsPerSecond, seconds: plan.probeSeconds)
        let wrongBefore = group.board.sum(.wrong, rows: group.clientRows)
        progress.beginPhase()
        let meter = PhaseMeter(group)
        let start = MonotonicTime.now.advanced(byNanoseconds: 20_000_000)
        let duration = UInt64(plan.probeSeconds * 1e9)
        let deadline = start.advanced(byNanoseconds: duration + 20_000_000_000)
        let reports = try group.load({ worker in
            // By its connections, of which it may have none.
            let share = Double(Run.share(of: step, worker, group.workersPerSide)) / Double(step)
            return .probe(
                requestsPerSecond: plan.requestsPerSecond * share,
                startNanoseconds: start.nanoseconds, durationNanoseconds: duration)
        }) { [progress] in
            progress.update("probe at \(Count.format(Int(plan.requestsPerSecond))) requests/s")
            if MonotonicTime.now > deadline {
                throw RunStop(.stalled, "the probe did not end in time", exitCode: 1)
            }
        }
        probe.processor = meter.read(group)
        probe.wrongAnswers = group.board.sum(.wrong, rows: group.clientRows) - wrongBefore
        var latency = LatencyHistogram()
        for report in reports {
            latency.add(report.echoLatency)
            probe.due += report.due
            probe.sent += report.sent
            probe.answered += report.answered
            probe.censored += report.censored
        }
        probe.latency = latency.summary
        if probe.answered > 0 {
            probe.serverMicrosecondsPerEcho =
                probe.processor.serverSeconds * 1e6 / Double(probe.answered)
        }
        return probe
    }

    /// Every connection echoes once; then, and only then, they are said to be held.
    func sweep() throws {
        guard let group, let last = result.steps.last else { return }
        var record = SweepResult()
        let echoesBefore = group.board.sum(.echoes, rows: group.clientRows)
        progress.beginPhase()
        let meter = PhaseMeter(group)
        let startedAt = MonotonicTime.now
        var stall = StallWatch(seconds: 30)
        let reports = try group.load({ _ in .sweep }) { [progress] in
            let echoed = group.board.sum(.echoes, rows: group.clientRows) - echoesBefore
            progress.update(
                "echo on every connection: \(Count.format(echoed)) of"
                    + " \(Count.format(last.connections))")
            try stall.check(echoed) { "no echo for 30 s, \(Count.format(echoed)) are done" }
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
        guard record.wrongAnswers == 0, record.connectionsEchoed == last.connections else {
            throw RunStop(
                .unverified,
                "\(Count.format(record.connectionsEchoed)) of \(Count.format(last.connections))"
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
        progress.beginPhase()
        let meter = PhaseMeter(group)
        let openBefore = group.serverConnections
        let startedAt = MonotonicTime.now
        let end = startedAt.advanced(byNanoseconds: UInt64(plan.holdSeconds * 1e9))
        // What was held so far is in the result whatever interrupts it.
        defer {
            result.hold = HoldResult(
                seconds: MonotonicTime.now.seconds(since: startedAt),
                // Idle clients listen to nothing: the servers notice an end.
                connectionsLost: max(0, openBefore - group.serverConnections),
                processor: meter.read(group))
        }
        while .now < end {
            watch.sleep(milliseconds: 20)
            try watch.check(group.children)
            progress.update("hold, \(Decimal1.text(end.seconds(since: .now))) s left")
        }
        let lost = openBefore - group.serverConnections
        if lost > 0 {
            throw RunStop(
                .unverified, "\(Count.format(lost)) connections were lost while held", exitCode: 1)
        }
    }
}
