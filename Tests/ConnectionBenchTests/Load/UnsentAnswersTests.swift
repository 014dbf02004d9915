// Peers that do not read: held back one by one, and gone before they take every buffer.

import ConnectionEngine
import Testing

@testable import ConnectionBench

/// An echo server's handler with a queue of its own, and what it asks for.
private final class Stage {
    var handler: EchoServerHandler
    var operations: OperationQueue
    let board: Scoreboard

    init(buffers: UInt32, quietLimits: QuietLimits? = nil) throws {
        var limits = Limits()
        limits.buffers = buffers
        limits.connections = 4_096
        let board = try Scoreboard(rowCount: 1)
        self.board = board
        operations = try OperationQueue(limits: limits)
        handler = EchoServerHandler(row: board.row(0), quietLimits: quietLimits)
        handler.start(&operations)
    }

    /// - Returns: what the handler asked for, without the sends.
    func turn(_ completions: [Completion], at time: MonotonicTime = .zero) -> [Operation] {
        operations.removeAll()
        handler.handle(CompletionBatch(completions, at: time), &operations)
        return (0..<operations.count).map { operations[$0] }.filter {
            if case .send = $0 { false } else { true }
        }
    }

    func receive(
        _ id: ConnectionID, times: Int, at time: MonotonicTime = .zero
    ) throws -> [Operation] {
        var asked: [Operation] = []
        for _ in 0..<times {
            let taken = operations.takeBuffer()
            let buffer = try #require(taken)
            asked += turn([.received(id, buffer, byteCount: 9)], at: time)
        }
        return asked
    }

    var evicted: Int { board.sum(.evicted, rows: 0..<1) }
}

private func connection(_ index: Int, generation: UInt32 = 0) -> ConnectionID {
    ConnectionID(index: UInt32(index), generation: generation)
}

@Suite struct UnsentAnswersTests {
    @Test("a connection with more than 64 unsent answers is disarmed, and armed at half of them")
    func share() throws {
        let stage = try Stage(buffers: 8_192)
        let id = connection(5)
        #expect(stage.turn([.accepted(id)]) == [.arm(id, once: false)])
        #expect(try stage.receive(id, times: 64) == [])
        #expect(try stage.receive(id, times: 1) == [.disarm(id)])
        // What was on its way comes all the same, and is asked for no second time.
        #expect(try stage.receive(id, times: 10) == [])
        for _ in 0..<42 { #expect(stage.turn([.sent(id)]) == []) }
        #expect(stage.turn([.sent(id)]) == [.arm(id, once: false)])
        for _ in 0..<32 { #expect(stage.turn([.sent(id)]) == []) }
    }

    @Test("the share shrinks as more connections do not read, so that buffers are left for others")
    func manyDebtors() throws {
        let stage = try Stage(buffers: 1_024)
        var isDisarmed: Set<ConnectionID> = []
        // 200 peers that send for ever: each is received from for as long as it is armed.
        for round in 0..<64 {
            for index in 0..<200 where !isDisarmed.contains(connection(index)) {
                if round == 0 { _ = stage.turn([.accepted(connection(index))]) }
                for operation in try stage.receive(connection(index), times: 1) {
                    if case .disarm(let id) = operation { isDisarmed.insert(id) }
                }
            }
        }
        #expect(isDisarmed.count == 200)
        // Equal shares would leave 1,024 / (1 + 200 / 64); the last buffer of each comes on top.
        #expect(stage.operations.freeBufferCount >= 100)
    }

    @Test("when a quarter of the buffers is unsent, those that send nothing for a second are reset")
    func stillOnes() throws {
        let stage = try Stage(buffers: 256)
        let still = connection(1)
        let moving = connection(2)
        _ = stage.turn([.accepted(still), .accepted(moving)])
        _ = try stage.receive(still, times: 40)
        let calm = stage.handler.nextDue
        #expect(calm == nil)
        _ = try stage.receive(moving, times: 40)
        let pressed = stage.handler.nextDue
        #expect(pressed != nil)
        #expect(stage.turn([], at: at(1_000)) == [])
        _ = stage.turn([.sent(moving)], at: at(1_100))
        // Too early for a second look.
        #expect(stage.turn([], at: at(1_400)) == [])
        #expect(stage.turn([], at: at(1_500)) == [.abort(still)])
        #expect(stage.evicted == 1)
        // Once is enough.
        _ = stage.turn([.sent(moving)], at: at(1_600))
        #expect(stage.turn([], at: at(2_000)) == [])
        // What it had queued is lost, and counts no more.
        _ = stage.turn([.closed(still, .requested)], at: at(2_100))
        let relieved = stage.handler.nextDue
        #expect(relieved == nil)
    }

    @Test("a slot's next connection does not inherit the debts of the last one")
    func generations() throws {
        let stage = try Stage(buffers: 8_192)
        let first = connection(3)
        _ = stage.turn([.accepted(first)])
        _ = try stage.receive(first, times: 60)
        _ = stage.turn([.closed(first, .endOfStream)])
        let second = connection(3, generation: 1)
        _ = stage.turn([.accepted(second)])
        #expect(try stage.receive(second, times: 64) == [])
        #expect(try stage.receive(second, times: 1) == [.disarm(second)])
    }
}

@Suite struct QuietConnectionsTests {
    private static let limits = QuietLimits(idleSeconds: 8, firstByteSeconds: 2)

    /// Lets time pass in looks of a quarter of a second.
    private func abortTime(
        _ stage: Stage, from start: MonotonicTime, _ id: ConnectionID
    ) -> Double? {
        for step in 1...80 {
            let now = start.advanced(byNanoseconds: UInt64(step) * 250_000_000)
            if stage.turn([], at: now).contains(.abort(id)) { return now.seconds(since: start) }
        }
        return nil
    }

    @Test("a connection that never says anything goes after the time for its first byte")
    func silent() throws {
        let stage = try Stage(buffers: 16, quietLimits: Self.limits)
        let start = MonotonicTime.now.advanced(byNanoseconds: 1_000_000_000)
        let id = connection(1)
        _ = stage.turn([.accepted(id)], at: start)
        let seconds = try #require(abortTime(stage, from: start, id))
        #expect(seconds >= 2 && seconds <= 2.5)
        #expect(stage.evicted == 1)
    }

    @Test("one that has spoken goes after the idle time, counted from its last byte or answer")
    func idle() throws {
        let stage = try Stage(buffers: 16, quietLimits: Self.limits)
        let start = MonotonicTime.now.advanced(byNanoseconds: 1_000_000_000)
        let id = connection(1)
        _ = stage.turn([.accepted(id)], at: start)
        _ = try stage.receive(id, times: 1, at: start.advanced(byNanoseconds: 500_000_000))
        let answered = start.advanced(byNanoseconds: 1_000_000_000)
        _ = stage.turn([.sent(id)], at: answered)
        let seconds = try #require(abortTime(stage, from: answered, id))
        #expect(seconds >= 8 && seconds <= 8.5)
    }

    @Test("a thousand whose time is over at once go in many turns, soon one after the other")
    func crowd() throws {
        let stage = try Stage(buffers: 16, quietLimits: Self.limits)
        let start = MonotonicTime.now.advanced(byNanoseconds: 1_000_000_000)
        for index in 1...1_000 { _ = stage.turn([.accepted(connection(index))], at: start) }
        var now = start
        var ended: [ConnectionID] = []
        while ended.count < 1_000 {
            now = now.advanced(byNanoseconds: 1_000_000)
            let aborted = stage.turn([], at: now).compactMap { operation in
                if case .abort(let id) = operation { id } else { nil }
            }
            #expect(aborted.count <= 32)
            ended += aborted
            try #require(now.seconds(since: start) < 2.6)
        }
        #expect(ended == (1...1_000).map { connection($0) })
        #expect(stage.evicted == 1_000)
    }

    @Test("one that ended is not reset, nor is the next one in its slot before its own time")
    func ended() throws {
        let stage = try Stage(buffers: 16, quietLimits: Self.limits)
        let start = MonotonicTime.now.advanced(byNanoseconds: 1_000_000_000)
        _ = stage.turn([.accepted(connection(1))], at: start)
        _ = stage.turn([.closed(connection(1), .endOfStream)], at: start)
        #expect(abortTime(stage, from: start, connection(1)) == nil)
        let later = start.advanced(byNanoseconds: 30_000_000_000)
        let next = connection(1, generation: 1)
        _ = stage.turn([.accepted(next)], at: later)
        let seconds = try #require(abortTime(stage, from: later, next))
        #expect(seconds >= 2 && seconds <= 2.5)
    }
}
