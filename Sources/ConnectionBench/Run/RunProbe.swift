// A probe of a run: the load on what is held, measured from the end of its warm-up on.

import ConnectionEngine

/// When a probe begins, measures and ends, the same for all workers.
struct ProbeTimes {
    let start: MonotonicTime
    let warmupNanoseconds: UInt64
    let durationNanoseconds: UInt64

    /// The commands have reached the workers by the start.
    private static let leadNanoseconds: UInt64 = 20_000_000

    init(warmupSeconds: Double, seconds: Double) {
        start = MonotonicTime.now.advanced(byNanoseconds: Self.leadNanoseconds)
        warmupNanoseconds = UInt64(warmupSeconds * 1e9)
        durationNanoseconds = UInt64(seconds * 1e9)
    }

    var measuresFrom: MonotonicTime { start.advanced(byNanoseconds: warmupNanoseconds) }
    var end: MonotonicTime { measuresFrom.advanced(byNanoseconds: durationNanoseconds) }
}

/// The processor time and the echoes of the measured part.
struct ProbeMeter {
    private var meter: PhaseMeter
    private let measuresFrom: MonotonicTime
    private var echoesBefore: Int
    private let wrongBefore: Int
    private var isMeasuring = false

    init(_ group: ProcessGroup, _ times: ProbeTimes) {
        measuresFrom = times.measuresFrom
        meter = PhaseMeter(group)
        echoesBefore = group.board.sum(.echoes, rows: group.clientRows)
        wrongBefore = group.board.sum(.wrong, rows: group.clientRows)
    }

    /// Called again and again; what the warm-up took is left out.
    mutating func look(_ group: ProcessGroup) {
        guard !isMeasuring, .now >= measuresFrom else { return }
        isMeasuring = true
        meter.restart(group)
        echoesBefore = group.board.sum(.echoes, rows: group.clientRows)
    }

    func read(_ probe: inout ProbeResult, _ group: ProcessGroup) {
        probe.processor = meter.read(group)
        probe.wrongAnswers = group.board.sum(.wrong, rows: group.clientRows) - wrongBefore
        let echoes = group.board.sum(.echoes, rows: group.clientRows) - echoesBefore
        if echoes > 0 {
            probe.serverMicrosecondsPerEcho =
                probe.processor.serverSeconds * 1e6 / Double(echoes)
        }
    }
}

extension Run {
    func probe(_ group: ProcessGroup, _ step: Int) throws -> ProbeResult {
        var probe = emptyProbe(seconds: plan.probeSeconds)
        begin(.probe, target: step)
        let times = ProbeTimes(
            warmupSeconds: plan.load.warmupSeconds, seconds: plan.probeSeconds)
        probe.startSeconds = times.measuresFrom.seconds(since: startedAt)
        var meter = ProbeMeter(group, times)
        let deadline = times.end.advanced(byNanoseconds: 20_000_000_000)
        let reports = try group.load({ .probe(order($0, of: step, times, group)) }) {
            meter.look(group)
            let seconds = plan.load.warmupSeconds + plan.probeSeconds
            let part = MonotonicTime.now.seconds(since: times.start) / seconds
            show(probeLine, part: part, secondsLeft: seconds * (1 - part))
            if MonotonicTime.now > deadline {
                throw RunStop(.stalled, "the probe did not end in time", exitCode: 1)
            }
        }
        meter.read(&probe, group)
        gather(&probe, reports)
        return probe
    }

    func emptyProbe(seconds: Double) -> ProbeResult {
        ProbeResult(
            offeredPerSecond: plan.load.loop == .open ? plan.requestsPerSecond : 0,
            seconds: seconds)
    }

    private var probeLine: String {
        plan.load.loop == .closed
            ? "probe in a closed loop"
            : "probe at \(Count.format(Int(plan.requestsPerSecond))) requests/s"
    }

    /// One worker's part of a probe, by its busy connections, of which it may have none.
    func order(
        _ worker: Int, of step: Int, _ times: ProbeTimes, _ group: ProcessGroup
    ) -> ProbeOrder {
        let active = plan.probeSeconds > 0 ? plan.load.active(of: step) : 0
        let mine = Run.share(of: active, worker, group.workersPerSide)
        let rate = plan.requestsPerSecond * Double(mine) / Double(max(active, 1))
        return ProbeOrder(
            requestsPerSecond: rate, activeConnections: mine,
            startNanoseconds: times.start.nanoseconds,
            warmupNanoseconds: times.warmupNanoseconds,
            durationNanoseconds: times.durationNanoseconds)
    }

    func gather(_ probe: inout ProbeResult, _ reports: [LoadReport]) {
        var latency = LatencyHistogram()
        for report in reports {
            latency.add(report.echoLatency)
            probe.due += report.due
            probe.sent += report.sent
            probe.answered += report.answered
            probe.censored += report.censored
        }
        probe.latency = latency.summary
        probe.histogram = latency.base64
        let generators = reports.compactMap(\.generator)
        if probe.due > 0, !generators.isEmpty {
            probe.generator = GeneratorProof(
                generators, latency: probe.latency, loop: plan.load.loop)
        }
    }
}
