// Every byte of an answer is checked, however it arrives.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct AnswerTests {
    /// A stage with one connection that waits for the answer to its first request.
    private func asked() throws -> (LoadStage, ConnectionID, [UInt8]) {
        let stage = try LoadStage()
        let id = stage.opened(1)[0]
        stage.probe(perSecond: 1, from: 0, for: 900)
        return (stage, id, try #require(stage.requests[id]))
    }

    @Test("a right answer is an echo and gives its buffer back")
    func right() throws {
        let (stage, id, bytes) = try asked()
        #expect(bytes.count == 64)
        let free = stage.freeBuffers
        #expect(stage.turn([stage.answer(id)], at: 1).isEmpty)
        #expect(stage.row[.echoes] == 1 && stage.row[.wrong] == 0)
        #expect(stage.freeBuffers == free)
    }

    @Test("one wrong byte is counted and ends the connection", arguments: [0, 7, 8, 62, 63])
    func wrongByte(position: Int) throws {
        var (stage, id, bytes) = try asked()
        bytes[position] ^= 0x10
        let free = stage.freeBuffers
        #expect(stage.turn([stage.answer(id, bytes)], at: 1) == [.abort(id)])
        #expect(stage.row[.wrong] == 1 && stage.row[.echoes] == 0)
        #expect(stage.freeBuffers == free)
        stage.turn([.closed(id, .requested)], at: 2)
        #expect(stage.row[.open] == 0 && stage.row[.lost] == 1)
    }

    @Test("a too long answer is counted and ends the connection")
    func tooLong() throws {
        let (stage, id, bytes) = try asked()
        #expect(stage.turn([stage.answer(id, bytes + [0])], at: 1) == [.abort(id)])
        #expect(stage.row[.wrong] == 1)
    }

    @Test("an answer that nobody asked for is counted and ends the connection")
    func unasked() throws {
        let stage = try LoadStage()
        let id = stage.opened(1)[0]
        #expect(stage.turn([stage.answer(id, [1, 2, 3])], at: 1) == [.abort(id)])
        #expect(stage.row[.wrong] == 1)
    }

    @Test("the answer to an earlier request is wrong")
    func earlier() throws {
        let (stage, id, bytes) = try asked()
        stage.turn([stage.answer(id)], at: 1)
        stage.turn(at: 900)
        stage.probe(perSecond: 1, from: 1_000, for: 900)
        #expect(stage.requests[id] != bytes)
        #expect(stage.turn([stage.answer(id, bytes)], at: 1_001) == [.abort(id)])
    }

    @Test("the answer of another connection is wrong")
    func otherConnection() throws {
        let stage = try LoadStage()
        let ids = stage.opened(2)
        stage.post(.sweep, at: 1)
        let other = stage.requests[ids[1]]
        #expect(stage.turn([stage.answer(ids[0], other)], at: 2) == [.abort(ids[0])])
    }

    @Test("an answer in pieces is one echo, measured at its last byte")
    func pieces() throws {
        let (stage, id, bytes) = try asked()
        #expect(
            stage.turn([stage.answer(id, Array(bytes[..<1]))], at: 5) == [.arm(id, once: true)])
        #expect(
            stage.turn([stage.answer(id, Array(bytes[1..<40]))], at: 6)
                == [.arm(id, once: true)])
        #expect(stage.turn([stage.answer(id, Array(bytes[40...]))], at: 7).isEmpty)
        #expect(stage.row[.echoes] == 1)
        stage.turn(at: 900)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.answered == 1 && report.echoLatency.milliseconds == [7])
    }

    @Test("a wrong byte in a later piece is found")
    func wrongPiece() throws {
        let (stage, id, bytes) = try asked()
        stage.turn([stage.answer(id, Array(bytes[..<9]))], at: 5)
        var rest = Array(bytes[9...])
        rest[20] ^= 1
        #expect(stage.turn([stage.answer(id, rest)], at: 6) == [.abort(id)])
    }

    @Test("a request and the arming for its answer go together")
    func armed() throws {
        let stage = try LoadStage()
        let id = stage.opened(1)[0]
        let asked = stage.post(.sweep, at: 1)
        #expect(asked.count == 2 && asked.sends == [id])
        #expect(asked.last == .arm(id, once: true))
    }
}
