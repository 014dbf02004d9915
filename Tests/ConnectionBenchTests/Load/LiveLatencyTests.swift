// Latencies while they are measured: coarse, but never far off.

import Testing

@testable import ConnectionBench

@Suite struct LiveLatencyTests {
    @Test(
        "a value is known within 7 %, and beyond the range as its end",
        arguments: [1_024, 1_100, 65_535, 65_536, 1_000_000, 987_654_321, 120_000_000_000])
    func resolution(value: UInt64) {
        let found = LiveLatency.value(LiveLatency.index(value))
        #expect(abs(Double(found) / Double(value) - 1) < 0.07)
    }

    @Test("values out of range count at its ends")
    func ends() {
        #expect(LiveLatency.index(0) == 0 && LiveLatency.index(1_023) == 0)
        #expect(LiveLatency.index(.max) == LiveLatency.bucketCount - 1)
        #expect(LiveLatency.index(1 << 37) == LiveLatency.bucketCount - 1)
    }

    @Test("buckets follow each other without a gap")
    func order() {
        var last = -1
        for step: UInt64 in 0..<(27 * 8) {
            let value = (8 + step % 8) << (7 + step / 8)
            #expect(LiveLatency.index(value) == last + 1)
            #expect(LiveLatency.index(value - 1) == max(0, last))
            last += 1
        }
    }

    @Test("rows are added up, and only what came since is told")
    func interval() throws {
        let board = try Scoreboard(rowCount: 3)
        for _ in 0..<90 { board.row(0).latency.record(100_000) }
        let before = board.latency(rows: 0..<2)
        #expect(before.value(atPercentile: 99).map { abs(Double($0) / 1e5 - 1) < 0.07 } == true)
        for _ in 0..<98 { board.row(0).latency.record(1_000_000) }
        for _ in 0..<2 { board.row(1).latency.record(50_000_000) }
        // Another row's.
        board.row(2).latency.record(7_000_000_000)
        let since = board.latency(rows: 0..<2).since(before)
        func near(_ percentile: Double, _ value: Double) -> Bool {
            since.value(atPercentile: percentile).map { abs(Double($0) / value - 1) < 0.07 }
                ?? false
        }
        #expect(near(50, 1e6) && near(98, 1e6) && near(99, 5e7))
        #expect(before.since(before).value(atPercentile: 50) == nil)
    }

    @Test("latencies and figures of a row do not touch")
    func apart() throws {
        let board = try Scoreboard(rowCount: 2)
        board.row(0).latency.record(0)
        board.row(0).latency.record(.max)
        for row in 0..<2 {
            for figure in Scoreboard.Figure.allCases { #expect(board.row(row)[figure] == 0) }
        }
        #expect(board[.connectsPerSecond] == 0)
    }
}
