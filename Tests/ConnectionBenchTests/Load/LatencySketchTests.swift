import Testing

@testable import ConnectionBench

@Suite("Latency sketch")
struct LatencySketchTests {
    @Test("a percentile is at most an eighth of an octave from the value")
    func precision() throws {
        for value in [1_024, 1_500, 94_321, 3_000_000, 89_999_999, 110_000_000_000] as [UInt64] {
            var sketch = LatencySketch()
            sketch.add(LatencySketch.bucket(of: value), count: 1)
            let median = try #require(sketch.nanoseconds(atPercentile: 50))
            let error = abs(Double(median) / Double(value) - 1)
            #expect(error <= 0.125, "\(value) became \(median)")
        }
    }

    @Test("ranks are counted: 98 fast ones and 2 slow ones")
    func ranks() throws {
        var sketch = LatencySketch()
        sketch.add(LatencySketch.bucket(of: 100_000), count: 98)
        sketch.add(LatencySketch.bucket(of: 10_000_000), count: 2)
        #expect(try #require(sketch.nanoseconds(atPercentile: 98)) < 200_000)
        #expect(try #require(sketch.nanoseconds(atPercentile: 99)) > 5_000_000)
        #expect(LatencySketch().nanoseconds(atPercentile: 50) == nil)
    }

    @Test("values beyond both ends fall into the outermost buckets")
    func ends() {
        #expect(LatencySketch.bucket(of: 0) == 0)
        #expect(LatencySketch.bucket(of: .max) == LatencySketch.bucketCount - 1)
    }

    @Test("the scoreboard keeps the counts of each row, and a reader sums and subtracts them")
    func scoreboard() throws {
        let board = try Scoreboard(rowCount: 3)
        board.row(1).recordLatency(50_000)
        board.row(2).recordLatency(50_000)
        let before = board.latencySketch(rows: 1..<3)
        board.row(2).recordLatency(7_000_000)
        let after = board.latencySketch(rows: 1..<3)
        #expect(before.count == 2)
        #expect(after.since(before).count == 1)
        #expect(board.latencySketch(rows: 0..<1).count == 0)
        // The figures lie beside the counts, not in them.
        #expect(board.row(1)[.open] == 0 && board[.connectsPerSecond] == 0)
    }
}
