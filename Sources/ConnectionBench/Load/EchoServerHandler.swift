// The server's handler: sends back what it receives, and keeps count.

import ConnectionEngine

struct EchoServerHandler: Handler {
    private let row: Scoreboard.Row
    private var opened = 0
    private var closed = 0
    private var echoes = 0
    private let workNanoseconds: UInt64
    private var stalls: StallClock?
    private var pulse: LoopPulse?

    /// - Parameter measuresLag: the loop's lag goes into the row's latencies.
    init(row: Scoreboard.Row, shape: ServerShape = ServerShape(), measuresLag: Bool = false) {
        self.row = row
        workNanoseconds = UInt64(shape.workMicroseconds) * 1_000
        stalls = shape.stall.map { StallClock($0, from: .now) }
        pulse = measuresLag ? LoopPulse(from: .now) : nil
    }

    /// A stall begins whether or not anybody asks for anything.
    var nextDue: MonotonicTime? {
        guard let pulse else { return stalls?.next }
        return stalls.map { min($0.next, pulse.next) } ?? pulse.next
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
                operations.arm(id)
            case .received(let id, let buffer, let byteCount):
                echoes += 1
                if workNanoseconds > 0 { work() }
                operations.send(id, buffer, byteCount: Int(byteCount))
            case .closed(_, let reason):
                closed += 1
                if case .failed(let errno) = reason { row[.lastError] = Int(errno.code) }
            case .connected, .sent:
                break
            }
        }
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

    /// Keeps the worker's processor busy.
    private func work() {
        let end = MonotonicTime.now.advanced(byNanoseconds: workNanoseconds)
        while .now < end {}
    }
}
