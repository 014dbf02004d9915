// The server's handler: sends back what it receives, and keeps count.

import ConnectionEngine

struct EchoServerHandler: Handler {
    private let row: Scoreboard.Row
    private var opened = 0
    private var closed = 0
    private var echoes = 0

    init(row: Scoreboard.Row) {
        self.row = row
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        let openedBefore = opened
        for position in 0..<completions.count {
            switch completions[position] {
            case .accepted(let id):
                opened += 1
                operations.arm(id)
            case .received(let id, let buffer, let byteCount):
                echoes += 1
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
}
