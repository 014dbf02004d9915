// How fast a client may connect while the host is watched over.

import ConnectionEngine

/// One worker's share of the pace that the parent sets on the scoreboard.
struct ConnectPace {
    private let board: Scoreboard?
    private let worker: (index: Int, count: Int)
    private var perSecond = 0
    private var schedule: DueSchedule?

    init(board: Scoreboard?, worker: (index: Int, count: Int)) {
        self.board = board
        self.worker = worker
    }

    /// No connect may be started.
    var isHeld: Bool { perSecond < 0 }

    /// When the next connect may be started; `nil`: at once.
    var next: MonotonicTime? { schedule?.next }

    /// Looks at the board; once per turn.
    mutating func update(_ now: MonotonicTime) {
        guard let board else { return }
        let wanted = board[.connectsPerSecond]
        guard wanted != perSecond else { return }
        perSecond = wanted
        schedule =
            wanted > 0
            ? DueSchedule(
                perSecond: Double(wanted) / Double(worker.count), from: now,
                stagger: Double(worker.index) / Double(worker.count)) : nil
    }

    mutating func advance() {
        schedule?.advance()
    }
}
