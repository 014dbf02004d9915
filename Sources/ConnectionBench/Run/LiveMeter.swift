// The rates of the last moment, for the live view.

import ConnectionEngine

/// Looks at the scoreboard and the processors twice a second and keeps what happened in between.
struct LiveMeter {
    private static let windowNanoseconds: UInt64 = 500_000_000

    private struct Look {
        let at: MonotonicTime
        let opened: Int
        let latencies: LatencySketch
        let machine: MachineUsage?
    }

    private let board: Scoreboard
    private let clientRows: Range<Int>
    private var last: Look?
    /// What the latest whole window showed, without the connections.
    private var shown = LiveRow()

    init(board: Scoreboard, clientRows: Range<Int>) {
        self.board = board
        self.clientRows = clientRows
    }

    /// - Parameters:
    ///   - memoryLeftBytes: above the floor.
    ///   - target: connections that are being climbed to, if they are.
    mutating func row(
        memoryLeftBytes: Int?, bytesPerConnection: Int, target: Int?
    ) -> LiveRow {
        let now = MonotonicTime.now
        let isDue = last.map { now.nanoseconds(since: $0.at) >= LiveMeter.windowNanoseconds }
        if isDue ?? true { look(now) }
        var row = shown
        row.connections = board.sum(.open, rows: clientRows)
        row.memoryLeftBytes = memoryLeftBytes
        row.connectionsLeft = memoryLeftBytes.map { $0 / max(1, bytesPerConnection) }
        if let target, let rate = row.perSecond, rate >= 1 {
            row.secondsLeft = Double(max(0, target - row.connections)) / rate
        }
        return row
    }

    private mutating func look(_ now: MonotonicTime) {
        let look = Look(
            at: now, opened: board.sum(.opened, rows: clientRows),
            latencies: board.latencySketch(rows: clientRows), machine: try? MachineUsage.read())
        defer { last = look }
        guard let last else { return }
        let opened = look.opened - last.opened
        shown.perSecond = opened > 0 ? Double(opened) / now.seconds(since: last.at) : nil
        let latencies = look.latencies.since(last.latencies)
        shown.p50Nanoseconds = latencies.nanoseconds(atPercentile: 50)
        shown.p99Nanoseconds = latencies.nanoseconds(atPercentile: 99)
        shown.processorShare = look.machine.flatMap { machine in
            last.machine.map { machine.since($0) }
        }.map { $0.busySeconds / max($0.totalSeconds, 1e-9) }
    }
}
