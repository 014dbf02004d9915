// The server's handler: sends back what it receives, and keeps count.

import ConnectionEngine

struct EchoServerHandler: Handler {
    private let row: Scoreboard.Row
    private var opened = 0
    private var closed = 0
    private var echoes = 0
    private let workNanoseconds: UInt64
    private var stalls: StallClock?

    init(row: Scoreboard.Row, shape: ServerShape = ServerShape()) {
        self.row = row
        workNanoseconds = UInt64(shape.workMicroseconds) * 1_000
        stalls = shape.stall.map { StallClock($0, from: .now) }
    }

    /// A stall begins whether or not anybody asks for anything.
    var nextDue: MonotonicTime? { stalls?.next }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        let openedBefore = opened
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
    }

    /// Keeps the worker's processor busy.
    private func work() {
        let end = MonotonicTime.now.advanced(byNanoseconds: workNanoseconds)
        while .now < end {}
    }
}
