// How fast a client may connect while the host is watched over.

import ConnectionEngine

/// One worker's share of the pace that the parent sets on the scoreboard.
struct ConnectPace {
    private let board: Scoreboard?
    private let worker: (index: Int, count: Int)
    private var perSecond = 0
    private var intervalNanoseconds: UInt64 = 0
    private var lookedAt = MonotonicTime.zero

    /// A worker that was busy for so long may catch up; more would be a burst beyond the pace.
    private static let lateNanoseconds: UInt64 = 50_000_000

    init(board: Scoreboard?, worker: (index: Int, count: Int)) {
        self.board = board
        self.worker = worker
    }

    /// No connect may be started.
    var isHeld: Bool { perSecond < 0 }

    /// When the next connect may be started; `nil`: at once.
    private(set) var next: MonotonicTime?

    /// Looks at the board; once per turn.
    mutating func update(_ now: MonotonicTime) {
        guard let board else { return }
        lookedAt = now
        let wanted = board[.connectsPerSecond]
        guard wanted != perSecond else { return }
        perSecond = wanted
        guard wanted > 0 else { return next = nil }
        intervalNanoseconds = 1_000_000_000 * UInt64(worker.count) / UInt64(wanted)
        // The workers' connects interleave. A change, of which there may be 20 in a second, never
        // puts off what was due before.
        let share = intervalNanoseconds / UInt64(worker.count) * UInt64(worker.index)
        let staggered = now.advanced(byNanoseconds: share)
        next = next.map { min($0, staggered) } ?? staggered
    }

    mutating func advance() {
        guard let due = next else { return }
        let earliest = MonotonicTime(
            nanoseconds: lookedAt.nanoseconds - min(lookedAt.nanoseconds, Self.lateNanoseconds))
        next = max(due.advanced(byNanoseconds: intervalNanoseconds), earliest)
    }
}
