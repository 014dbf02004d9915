// The pace that the host's watcher sets: shared, held, and never put off.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct ConnectPaceTests {
    private func pace(
        _ board: Scoreboard, _ worker: (index: Int, count: Int) = (0, 1)
    ) -> ConnectPace {
        ConnectPace(board: board, worker: worker)
    }

    @Test("without a board, and without a pace on it, connects go as fast as they can")
    func free() throws {
        var none = ConnectPace(board: nil, worker: (0, 1))
        none.update(at(0))
        #expect(none.next == nil && !none.isHeld)
        var pace = pace(try Scoreboard(rowCount: 1))
        pace.update(at(0))
        pace.advance()
        #expect(pace.next == nil && !pace.isHeld)
    }

    @Test("the pace is shared by the workers, whose connects interleave")
    func shared() throws {
        let board = try Scoreboard(rowCount: 1)
        board[.connectsPerSecond] = 100
        var first = pace(board, (0, 2))
        var second = pace(board, (1, 2))
        first.update(at(0))
        second.update(at(0))
        #expect(first.next == at(0) && second.next == at(10))
        first.advance()
        second.advance()
        #expect(first.next == at(20) && second.next == at(30))
    }

    @Test("a pace of -1 holds, until it is lifted")
    func held() throws {
        let board = try Scoreboard(rowCount: 1)
        var pace = pace(board)
        board[.connectsPerSecond] = -1
        pace.update(at(0))
        #expect(pace.isHeld && pace.next == nil)
        board[.connectsPerSecond] = 100
        pace.update(at(5))
        #expect(!pace.isHeld && pace.next == at(5))
        board[.connectsPerSecond] = 0
        pace.update(at(6))
        #expect(!pace.isHeld && pace.next == nil)
    }

    @Test("a pace that changes 20 times a second does not put off the last worker's connects")
    func changing() throws {
        let board = try Scoreboard(rowCount: 1)
        var pace = pace(board, (511, 512))
        var connects = 0
        for turn in 0..<100 {
            // Each of 512 workers has a connect in 128 ms at most.
            board[.connectsPerSecond] = 4_000 + turn
            let now = at(50 * Double(turn))
            pace.update(now)
            while let due = pace.next, due <= now {
                connects += 1
                pace.advance()
            }
        }
        #expect(connects == 39)
    }

    @Test("a worker that was away makes up for 50 ms and no more")
    func late() throws {
        let board = try Scoreboard(rowCount: 1)
        board[.connectsPerSecond] = 1_000
        var pace = pace(board)
        pace.update(at(0))
        pace.update(at(10_000))
        var connects = 0
        while let due = pace.next, due <= at(10_000) {
            connects += 1
            pace.advance()
        }
        // One that was due at first, and those of the last 50 ms.
        #expect(connects == 52)
    }

    @Test("a held client starts nothing and looks again in 5 ms; a slow one waits for its turn")
    func client() throws {
        let stage = try LoadStage()
        stage.board[.connectsPerSecond] = -1
        #expect(stage.post(.ramp(target: 3), at: 0).isEmpty)
        #expect(stage.nextDue == 5)
        stage.board[.connectsPerSecond] = 100
        #expect(stage.turn(at: 5).connects.count == 1)
        #expect(stage.nextDue == 15)
        #expect(stage.turn(at: 14).isEmpty)
        #expect(stage.turn(at: 15).connects.count == 1)
        stage.board[.connectsPerSecond] = 0
        #expect(stage.turn(at: 16).connects.count == 1)
        #expect(stage.nextDue == nil)
    }

    @Test("a client that is held still ends a ramp that is complete")
    func heldAtTarget() throws {
        let stage = try LoadStage()
        let ids = stage.post(.ramp(target: 2), at: 0).connects
        stage.board[.connectsPerSecond] = -1
        stage.turn(ids.map { .connected($0) }, at: 1)
        #expect(stage.mailbox.takeReport() != nil)
    }
}

@Suite struct SynRetriesTests {
    private func facts(_ linear: Int?) -> HostFacts {
        var facts = HostFacts()
        facts.synLinearTimeouts = linear
        return facts
    }

    private func latency(_ milliseconds: [Int]) -> LatencyHistogram {
        var latency = LatencyHistogram()
        for time in milliseconds { latency.record(UInt64(time) * 1_000_000) }
        return latency
    }

    @Test("the kernel's pauses: doubling at once, or after so many equal ones")
    func pauses() {
        #expect(SynRetries.pauses(linear: 0, upTo: 64) == [1, 3, 7, 15, 31, 63])
        #expect(SynRetries.pauses(linear: 4, upTo: 64) == [1, 2, 3, 4, 5, 7, 11, 19, 35])
        #expect(SynRetries.pauses(linear: 1, upTo: 20) == [1, 2, 4, 8, 16])
        #expect(SynRetries.pauses(linear: 0, upTo: 0) == [])
    }

    @Test("connects are counted by the pause that they are just behind")
    func clusters() {
        let times = [0, 5, 999, 1_001, 1_040, 1_290, 1_310, 2_020, 3_050, 5_000, 7_010, 119_000]
        let linear = SynRetries(latency(times), facts: facts(4))
        #expect(
            linear.clusters == [
                .init(retries: 1, afterSeconds: 1, connects: 3),
                .init(retries: 2, afterSeconds: 2, connects: 1),
                .init(retries: 3, afterSeconds: 3, connects: 1),
                .init(retries: 5, afterSeconds: 5, connects: 1),
                .init(retries: 6, afterSeconds: 7, connects: 1),
            ])
        #expect(linear.connects == 7)
        let doubling = SynRetries(latency(times), facts: facts(nil))
        #expect(
            doubling.clusters == [
                .init(retries: 1, afterSeconds: 1, connects: 3),
                .init(retries: 2, afterSeconds: 3, connects: 1),
                .init(retries: 3, afterSeconds: 7, connects: 1),
            ])
        #expect(
            doubling.text
                == "connects that waited for the kernel to send their SYN again: 3 after 1 s, 1 after"
                + " 3 s, 1 after 7 s")
    }

    @Test("without a late connect there is nothing to say")
    func none() {
        let retries = SynRetries(latency([0, 1, 500, 990]), facts: facts(4))
        #expect(retries.clusters.isEmpty && retries.text == nil && retries.connects == 0)
    }
}
