// The lag of a server's loop.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct LoopPulseTests {
    @Test("a turn is wanted every 10 ms, and its lag is told once")
    func beats() {
        var pulse = LoopPulse(from: at(0))
        #expect(pulse.next == at(10))
        #expect(pulse.beat(at(9)) == nil)
        #expect(pulse.beat(at(10)) == 0)
        #expect(pulse.next == at(20))
        #expect(pulse.beat(at(15)) == nil)
        // A loop that stood still for three periods was late once, by all of it.
        #expect(pulse.beat(at(53)) == 33_000_000)
        #expect(pulse.next == at(63))
    }

    @Test("a server that measures its lag wants turns, and its row has them")
    func server() throws {
        let board = try Scoreboard(rowCount: 1)
        var handler = EchoServerHandler(row: board.row(0), measuresLag: true)
        var operations = try OperationQueue()
        let firstDue = handler.nextDue
        let due = try #require(firstDue)
        let late = due.advanced(byNanoseconds: 40_000_000)
        handler.handle(CompletionBatch([], at: late), &operations)
        let lag = board.latency(rows: 0..<1)
        #expect(lag.total == 1)
        // A bucket ends at most an eighth above its beginning.
        let highest = try #require(lag.highest)
        #expect(highest >= 40_000_000 && highest <= 45_000_000)
        let nextDue = handler.nextDue
        #expect(try #require(nextDue) > late)
    }

    @Test("the highest lag is that since the look before")
    func highest() throws {
        let board = try Scoreboard(rowCount: 1)
        #expect(board.latency(rows: 0..<1).highest == nil)
        board.row(0).latency.record(900_000_000)
        let before = board.latency(rows: 0..<1)
        board.row(0).latency.record(2_000_000)
        let fresh = board.latency(rows: 0..<1).since(before)
        #expect(fresh.total == 1)
        #expect(try #require(fresh.highest) < 3_000_000)
    }

    @Test("a server tells its slots and the buffers that are owed back")
    func engine() throws {
        let board = try Scoreboard(rowCount: 1)
        var handler = EchoServerHandler(row: board.row(0))
        var operations = try OperationQueue()
        let taken = operations.takeBuffer()
        let buffer = try #require(taken)
        let id = ConnectionID(index: 0, generation: 0)
        handler.handle(CompletionBatch([.received(id, buffer, byteCount: 5)]), &operations)
        #expect(board.row(0)[.buffersInUse] == 1)
        operations.release(buffer)
        operations.removeAll()
        handler.handle(CompletionBatch([]), &operations)
        #expect(board.row(0)[.buffersInUse] == 0 && board.row(0)[.slotsInUse] == 0)
    }
}
