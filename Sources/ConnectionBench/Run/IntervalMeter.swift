// One second of a run as a plain value: what moved since the second before.

import ConnectionEngine

/// Reads the scoreboard and the processors' clocks. One thread at a time.
struct IntervalMeter {
    private var before = RunTotals()
    private var latencyBefore = LiveLatency.Counts()
    private var machineBefore: MachineUsage?
    private var readAt: MonotonicTime?

    /// What happened since the last call; a first call measures from `startedAt`.
    mutating func read(
        _ target: HostSampler.Target?, _ phase: RunPhaseStart, startedAt: MonotonicTime,
        now: MonotonicTime, floorBytes: Int
    ) -> RunInterval {
        var interval = RunInterval(
            seconds: now.seconds(since: startedAt), phase: phase.phase, target: phase.target,
            memoryFloorBytes: floorBytes)
        let elapsed = now.seconds(since: readAt ?? startedAt)
        readAt = now
        interval.elapsedSeconds = elapsed
        if let target { count(target, &interval, max(elapsed, 1e-9)) }
        if let machine = try? MachineUsage.read() {
            if let machineBefore {
                let use = machine.since(machineBefore)
                interval.machineBusyShare =
                    use.totalSeconds > 0 ? min(1, max(0, use.busySeconds / use.totalSeconds)) : nil
            }
            machineBefore = machine
        }
        return interval
    }

    private mutating func count(
        _ target: HostSampler.Target, _ interval: inout RunInterval, _ elapsed: Double
    ) {
        let board = target.board
        let (clients, servers) = (target.clientRows, target.serverRows)
        interval.connections = board.sum(.open, rows: clients)
        interval.serverConnections = board.sum(.open, rows: servers)
        interval.opening = board.sum(.opening, rows: clients)
        var totals = RunTotals()
        totals.opened = board.sum(.opened, rows: clients)
        totals.closed = board.sum(.closed, rows: clients)
        totals.failed = board.sum(.failed, rows: clients)
        totals.lost = board.sum(.lost, rows: clients)
        totals.echoes = board.sum(.echoes, rows: clients)
        totals.wrongAnswers = board.sum(.wrong, rows: clients)
        // A process that has ended keeps what it had used: a total never falls.
        totals.serverProcessorSeconds = max(
            before.serverProcessorSeconds, seconds(of: target.serverPids))
        totals.clientProcessorSeconds = max(
            before.clientProcessorSeconds, seconds(of: target.clientPids))
        interval.totals = totals
        interval.connectsPerSecond = Double(totals.opened - before.opened) / elapsed
        interval.closesPerSecond = Double(totals.closed - before.closed) / elapsed
        interval.echoesPerSecond = Double(totals.echoes - before.echoes) / elapsed
        interval.serverProcessors =
            (totals.serverProcessorSeconds - before.serverProcessorSeconds) / elapsed
        interval.clientProcessors =
            (totals.clientProcessorSeconds - before.clientProcessorSeconds) / elapsed
        before = totals
        let latency = board.latency(rows: clients)
        let fresh = latency.since(latencyBefore)
        latencyBefore = latency
        interval.p50Nanoseconds = fresh.value(atPercentile: 50)
        interval.p99Nanoseconds = fresh.value(atPercentile: 99)
    }

    private func seconds(of pids: [Int32]) -> Double {
        pids.reduce(0) { $0 + (ProcessClock.seconds(of: $1) ?? 0) }
    }
}
