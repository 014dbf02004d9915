// Two trials of what is held at the last step: replaced one after another, and all at once.

import ConnectionEngine

extension Run {
    // MARK: Churn

    /// Connections end, the oldest first, and fresh ones take their places.
    func churn() throws {
        guard let shape = plan.load.churn, let group, let step = result.steps.last?.connections
        else { return }
        var record = ChurnResult(shape)
        defer { result.churn = record }
        begin(.churn, target: step)
        let times = ProbeTimes(warmupSeconds: plan.load.warmupSeconds, seconds: shape.seconds)
        var meter = ProbeMeter(group, times)
        let deadline = times.end.advanced(byNanoseconds: 30_000_000_000)
        let closedBefore = group.board.sum(.closed, rows: group.clientRows)
        let openedBefore = group.board.sum(.opened, rows: group.clientRows)
        let reports = try group.load({ worker in
            let share = Double(Run.share(of: step, worker, group.workersPerSide)) / Double(step)
            return .churn(
                order(worker, of: step, times, group),
                closesPerSecond: shape.closesPerSecond * share, inOrder: plan.teardown == .fin)
        }) {
            meter.look(group)
            // What is known if it is cut short.
            record.closed = group.board.sum(.closed, rows: group.clientRows) - closedBefore
            record.connected = group.board.sum(.opened, rows: group.clientRows) - openedBefore
            let seconds = plan.load.warmupSeconds + shape.seconds
            let part = MonotonicTime.now.seconds(since: times.start) / seconds
            show(
                "churn, \(Count.format(record.connected)) connections replaced", part: part,
                secondsLeft: seconds * (1 - part))
            if MonotonicTime.now > deadline {
                throw RunStop(.stalled, "the churn did not end in time", exitCode: 1)
            }
        }
        var probe = emptyProbe(seconds: shape.seconds)
        meter.read(&probe, group)
        gather(&probe, reports)
        record.processor = probe.processor
        if plan.probeSeconds > 0 { record.probe = probe }
        record.closed = reports.reduce(0) { $0 + $1.retired }
        record.connected = reports.reduce(0) { $0 + $1.replaced }
        record.closesPerSecond = Double(record.closed) / shape.seconds
        record.connectsPerSecond = Double(record.connected) / shape.seconds
        let connects = Connects(reports, result.host)
        record.connectLatency = connects.histogram.summary
        record.connectFailures = connects.failures
        record.synRetries = connects.synRetries
        record.held = try heldAgain(step, group, after: "the churn")
        progress.say(record.lines[0])
        guard probe.wrongAnswers == 0 else {
            throw RunStop(
                .unverified,
                "\(Count.format(probe.wrongAnswers)) answers were wrong during the churn",
                exitCode: 1)
        }
    }

    // MARK: Storm

    /// Everything is closed; when the last one is gone on both sides, all connect at once.
    func storm() throws {
        guard plan.load.storms, let group, let step = result.steps.last?.connections
        else { return }
        var record = StormResult(connections: step)
        defer { result.storm = record }
        begin(.storm, target: step)
        let closingFrom = MonotonicTime.now
        try closeForStorm(group)
        record.closeSeconds = MonotonicTime.now.seconds(since: closingFrom)

        let meter = PhaseMeter(group)
        let start = MonotonicTime.now
        let reports = try connectAtOnce(step, group, from: start)
        if let seconds = awaitAccepted(group) {
            throw RunStop(
                .stalled, "after the storm nothing was accepted for \(Int(seconds)) s", exitCode: 1)
        }
        record.processor = meter.read(group)
        record.seconds = group.secondsUntilLastOpen(since: start)
        record.connectsPerSecond = Double(step) / max(record.seconds, 1e-9)
        let connects = Connects(reports, result.host)
        record.connectLatency = connects.histogram.summary
        record.connectFailures = connects.failures
        record.synRetries = connects.synRetries
        record.held = try heldAgain(step, group, after: "the storm")
        progress.say(record.lines[0])
    }

    private func closeForStorm(_ group: ProcessGroup) throws {
        var stall = StallWatch(seconds: stallSeconds)
        func look() throws {
            let left = group.serverConnections
            show("storm: close, \(Count.format(left)) left")
            if stall.check(left) != nil {
                throw RunStop(
                    .stalled, "before the storm \(Count.format(left)) connections did not end",
                    exitCode: 1)
            }
        }
        _ = try group.load({ _ in .close(reset: plan.teardown == .reset) }, tick: look)
        while group.serverConnections > 0 {
            watch.sleep(milliseconds: 1)
            try watch.check(group.children)
            try look()
        }
    }

    private func connectAtOnce(
        _ step: Int, _ group: ProcessGroup, from start: MonotonicTime
    ) throws -> [LoadReport] {
        var stall = StallWatch(seconds: stallSeconds)
        watch.isClimbing = true
        defer { watch.isClimbing = false }
        let reports = try group.load({ worker in
            .ramp(
                target: Run.share(of: step, worker, group.workersPerSide),
                allDueNanoseconds: start.nanoseconds)
        }) { [watch] in
            let open = group.board.sum(.open, rows: group.clientRows)
            show(
                "storm: \(Count.format(open)) of \(Count.format(step)) are back",
                part: Double(open) / Double(max(step, 1)))
            if watch.sampler.judgement.pace < 0 { stall.touch() }
            let failed = group.board.sum(.failed, rows: group.clientRows)
            if stall.check(open + failed) != nil {
                throw RunStop(
                    .stalled,
                    "in the storm \(Count.format(step - open)) connections did not come"
                        + " back", exitCode: 1)
            }
        }
        guard !reports.contains(where: \.gaveUp) else {
            throw RunStop(
                .unverified,
                "in the storm too many connects failed: "
                    + Connects(reports, result.host).failureWords, exitCode: 1)
        }
        return reports
    }

    // MARK: Both

    /// Counts again, as soon as the servers have heard of every end.
    private func heldAgain(
        _ step: Int, _ group: ProcessGroup, after what: String
    ) throws -> ConnectionCount {
        var stall = StallWatch(seconds: 5)
        var record = StepResult(connections: step)
        while true {
            count(&record, group)
            if record.verified || stall.check(record.serverAccepted) != nil { break }
            watch.sleep(milliseconds: 5)
            try watch.check(group.children)
        }
        guard record.verified else {
            throw RunStop(
                .unverified,
                "after \(what) \(Count.format(step)) connections should be held:"
                    + " \(record.countsText)", exitCode: 1)
        }
        return ConnectionCount(record)
    }
}
