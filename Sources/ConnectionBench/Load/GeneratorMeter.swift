// How well a load client keeps to its own schedule, so that its lateness is not taken for the
// server's.

import ConnectionEngine

/// What a worker of a client says of itself after the measured part of a probe.
struct GeneratorReport: Codable, Sendable {
    /// From when a request was due to the turn that sent it, where a connection was free for it.
    var sendLag = SparseHistogram()
    /// From when the worker wanted a turn to when it had one.
    var loopLag = SparseHistogram()
    /// Requests that were late because every connection that was looked at was busy.
    var waitedForConnection = 0
    /// Processor time of the worker's thread, in `elapsedSeconds`; `nil`: it is not one thread.
    var processorSeconds: Double?
    /// How long that thread could have run and had no processor; `nil`: the kernel does not tell.
    var delayedSeconds: Double?
    var elapsedSeconds = 0.0
}

struct GeneratorMeter {
    private let hasThread: Bool
    private var sendLag = LatencyHistogram(isCoarse: true)
    private var loopLag = LatencyHistogram(isCoarse: true)
    private var waited = 0
    private var startedAt: MonotonicTime?
    private var endedAt = MonotonicTime.zero
    private var clockStart = ThreadClock()
    private var clockEnd = ThreadClock()
    /// The oldest request that is due found every connection busy in the last turn.
    var isBlocked = false

    init(hasThread: Bool) {
        self.hasThread = hasThread
    }

    mutating func reset() {
        sendLag.reset()
        loopLag.reset()
        waited = 0
        startedAt = nil
        isBlocked = false
    }

    /// The measured part has begun. Called by the worker's own thread, as `end` is.
    mutating func begin(_ now: MonotonicTime) {
        guard startedAt == nil else { return }
        startedAt = now
        if hasThread { clockStart = .now }
    }

    mutating func end(_ now: MonotonicTime) {
        endedAt = now
        if hasThread { clockEnd = .now }
    }

    /// A turn that was wanted at `due`.
    @inline(__always)
    mutating func turn(due: MonotonicTime, _ now: MonotonicTime) {
        // Zero: at once, and that is no time.
        if startedAt != nil, due <= now, due != .zero {
            loopLag.record(now.nanoseconds(since: due))
        }
    }

    /// A measured request was sent.
    @inline(__always)
    mutating func sent(due: MonotonicTime, _ now: MonotonicTime, hasWaited: Bool) {
        if hasWaited { waited += 1 } else { sendLag.record(now.nanoseconds(since: due)) }
    }

    /// A measured request was not sent by the end: for want of a connection, or of a buffer.
    mutating func neverSent(due: MonotonicTime, _ now: MonotonicTime) {
        sent(due: due, now, hasWaited: isBlocked)
    }

    var report: GeneratorReport? {
        guard let startedAt else { return nil }
        return GeneratorReport(
            sendLag: sendLag.sparse, loopLag: loopLag.sparse, waitedForConnection: waited,
            processorSeconds: hasThread
                ? clockEnd.processorSeconds - clockStart.processorSeconds : nil,
            delayedSeconds: clockEnd.delayedSeconds.flatMap { end in
                clockStart.delayedSeconds.map { end - $0 }
            },
            elapsedSeconds: endedAt.seconds(since: startedAt))
    }
}

/// What the calling thread has used of a processor, and how long it waited for one.
struct ThreadClock {
    var processorSeconds = 0.0
    var delayedSeconds: Double?

    static var now: ThreadClock {
        var clock = ThreadClock()
        clock.processorSeconds = ProcessClock.ofThisThread
        clock.delayedSeconds = (try? TextFile.read("/proc/thread-self/schedstat"))
            .flatMap(delayedSeconds(schedstat:))
        return clock
    }

    /// From a line of nanoseconds on a processor, nanoseconds in its queue, and how often.
    static func delayedSeconds(schedstat text: String) -> Double? {
        let columns = text.split(separator: " ")
        guard columns.count >= 2, let waited = UInt64(columns[1]) else { return nil }
        return Double(waited) / 1e9
    }
}
