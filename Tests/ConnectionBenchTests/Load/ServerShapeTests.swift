// A server that works or stalls on purpose.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct ServerShapeTests {
    private static let stall = ServerShape.Stall(seconds: 0.1, periodSeconds: 1)

    @Test("a stall begins every period, and lasts for its length")
    func stalls() {
        var clock = StallClock(Self.stall, from: at(0))
        #expect(clock.next == at(1_000))
        #expect(clock.end(ofStallAt: at(999)) == nil)
        #expect(clock.end(ofStallAt: at(1_000)) == at(1_100))
        #expect(clock.next == at(2_000))
        // A turn that comes late into a stall sleeps for the rest of it.
        #expect(clock.end(ofStallAt: at(2_040)) == at(2_100))
    }

    @Test("stalls that a busy worker has missed are left out")
    func missed() {
        var clock = StallClock(Self.stall, from: at(0))
        #expect(clock.end(ofStallAt: at(4_500)) == nil)
        #expect(clock.next == at(5_000))
    }

    private func echo(_ shape: ServerShape) throws -> Double {
        let board = try Scoreboard(rowCount: 1)
        var handler = EchoServerHandler(row: board.row(0), shape: shape)
        var operations = try OperationQueue()
        let taken = operations.takeBuffer()
        let buffer = try #require(taken)
        let id = ConnectionID(index: 0, generation: 0)
        let before = MonotonicTime.now
        handler.handle(CompletionBatch([.received(id, buffer, byteCount: 5)]), &operations)
        let seconds = MonotonicTime.now.seconds(since: before)
        let asked = (0..<operations.count).map { operations[$0] }
        #expect(asked == [.send(id, buffer, byteCount: 5)])
        return seconds
    }

    @Test("server work is done before each echo")
    func work() throws {
        var shape = ServerShape()
        shape.workMicroseconds = 20_000
        #expect(try echo(shape) >= 0.02)
    }

    @Test("a plain server wants no turn of its own; one that stalls does")
    func turns() throws {
        let board = try Scoreboard(rowCount: 1)
        let plain = EchoServerHandler(row: board.row(0)).nextDue
        #expect(plain == nil)
        var shape = ServerShape()
        shape.stall = Self.stall
        let stalling = EchoServerHandler(row: board.row(0), shape: shape).nextDue
        #expect(stalling != nil)
    }
}
