// The server's handler: sends back what it receives, and keeps count.

import ConnectionEngine

struct EchoServerHandler: Handler, ~Copyable {
    private let row: Scoreboard.Row
    private var opened = 0
    private var closed = 0
    private var echoes = 0
    private var evicted = 0
    private let workNanoseconds: UInt64
    private var stalls: StallClock?
    private let quietLimits: QuietLimits?
    /// Made in the first turn, which knows the worker's bounds.
    private var unsent: UnsentAnswers?
    private var quiet: QuietConnections?
    private var evictionDue: MonotonicTime?
    private var pulse: LoopPulse?

    /// - Parameters:
    ///   - quietLimits: `nil` keeps quiet connections for ever, as a measurement wants.
    ///   - measuresLag: the loop's lag goes into the row's latencies.
    init(
        row: Scoreboard.Row, shape: ServerShape = ServerShape(), quietLimits: QuietLimits? = nil,
        measuresLag: Bool = false
    ) {
        self.row = row
        self.quietLimits = quietLimits
        workNanoseconds = UInt64(shape.workMicroseconds) * 1_000
        stalls = shape.stall.map { StallClock($0, from: .now) }
        pulse = measuresLag ? LoopPulse(from: .now) : nil
    }

    /// A stall begins, and a quiet connection ends, whether or not anybody asks for anything.
    var nextDue: MonotonicTime? {
        var due = stalls?.next
        if let evictionDue { due = min(due ?? evictionDue, evictionDue) }
        if let pulse { due = min(due ?? pulse.next, pulse.next) }
        return due
    }

    mutating func start(_ operations: inout OperationQueue) {
        unsent = UnsentAnswers(operations)
        if let quietLimits {
            let quiet = QuietConnections(
                quietLimits, indexLimit: operations.connectionIndexLimit, from: .now)
            evictionDue = quiet.nextDue
            self.quiet = consume quiet
        }
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        let openedBefore = opened
        if let lag = pulse?.beat(completions.reapedAt) { row.latency.record(lag) }
        stalls?.sleepIfDue(completions.reapedAt)
        for position in 0..<completions.count {
            switch completions[position] {
            case .accepted(let id):
                opened += 1
                quiet?.opened(id)
                operations.arm(id)
            case .received(let id, let buffer, let byteCount):
                echoes += 1
                if workNanoseconds > 0 { work() }
                operations.send(id, buffer, byteCount: Int(byteCount))
                unsent?.queued(id, &operations)
                quiet?.stirred(id)
            case .closed(let id, let reason):
                closed += 1
                if case .failed(let errno) = reason { row[.lastError] = Int(errno.code) }
                unsent?.closed(id)
                quiet?.closed(id)
            case .sent(let id):
                unsent?.sent(id, &operations)
                quiet?.stirred(id)
            case .connected:
                break
            }
        }
        evict(completions.reapedAt, &operations)
        if opened != openedBefore {
            row[.opened] = opened
            row[.lastOpenAt] = Int(completions.reapedAt.nanoseconds)
        }
        row[.closed] = closed
        row[.open] = opened - closed
        row[.echoes] = echoes
        row[.slotsInUse] = operations.connectionCount
        row[.buffersInUse] = operations.buffersInUse
    }

    /// What a look at the connections has brought.
    struct Eviction {
        /// Connections that were asked to end.
        var ended = 0
        /// When to look again; `nil`: there is no need.
        var nextDue: MonotonicTime?
    }

    /// Resets connections that hold others up, or that nobody uses.
    private mutating func evict(_ now: MonotonicTime, _ operations: inout OperationQueue) {
        let still = unsent?.endStill(now, &operations) ?? Eviction()
        let idle = quiet?.endQuiet(now, &operations) ?? Eviction()
        evictionDue = still.nextDue
        if let due = idle.nextDue { evictionDue = min(evictionDue ?? due, due) }
        guard still.ended + idle.ended > 0 else { return }
        evicted += still.ended + idle.ended
        row[.evicted] = evicted
    }

    /// Keeps the worker's processor busy.
    private func work() {
        let end = MonotonicTime.now.advanced(byNanoseconds: workNanoseconds)
        while .now < end {}
    }
}
