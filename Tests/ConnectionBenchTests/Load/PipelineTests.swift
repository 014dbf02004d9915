// Several requests on one connection: a due time for each, answers in order.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct PipelineTests {
    private func stage(depth: Int) throws -> LoadStage {
        try LoadStage(shape: { $0.pipelining = depth })
    }

    @Test("a link still takes 16 bytes")
    func size() {
        #expect(MemoryLayout<Link>.size == 16 && MemoryLayout<Link>.stride == 16)
    }

    @Test("as many requests as the depth allows are outstanding, and no more")
    func depth() throws {
        let stage = try stage(depth: 3)
        let id = stage.opened(1)[0]
        stage.probe(perSecond: 1_000, from: 0, for: 10)
        let asked = stage.turn(at: 5)
        #expect(stage.sent[id]?.count == 3)
        // It was armed with the first one.
        #expect(asked.sends == [id, id] && asked.count == 2)
        #expect(stage.turn([stage.answers(id, 0...0)], at: 6).sends == [id])
        #expect(stage.turn(at: 9).sends.isEmpty)
    }

    @Test("each answer is measured from its own due time")
    func dueTimes() throws {
        let stage = try stage(depth: 4)
        let id = stage.opened(1)[0]
        stage.probe(perSecond: 100, from: 0, for: 40)
        for millisecond in [10, 20, 30] { stage.turn(at: Double(millisecond)) }
        #expect(stage.turn([stage.answers(id, 0...0)], at: 31) == [.arm(id, once: true)])
        // Two answers in one piece, with the beginning of the last one.
        let last = try #require(stage.sent[id]?[3])
        let piece = (stage.sent[id]?[1] ?? []) + (stage.sent[id]?[2] ?? []) + last[..<10]
        #expect(stage.turn([stage.answer(id, piece)], at: 33) == [.arm(id, once: true)])
        #expect(stage.turn([stage.answer(id, Array(last[10...]))], at: 34).isEmpty)
        stage.turn(at: 40)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.echoLatency.milliseconds == [4, 13, 23, 31])
        #expect(report.answered == 4 && stage.row[.wrong] == 0)
    }

    @Test("answers in another order are wrong")
    func order() throws {
        let stage = try stage(depth: 2)
        let id = stage.opened(1)[0]
        stage.probe(perSecond: 100, from: 0, for: 20)
        stage.turn(at: 10)
        #expect(stage.turn([stage.answers(id, 1...1)], at: 11) == [.abort(id)])
        #expect(stage.row[.wrong] == 1 && stage.row[.echoes] == 0)
    }

    @Test("an answer more than was asked for is wrong")
    func oneMore() throws {
        let stage = try stage(depth: 2)
        let id = stage.opened(1)[0]
        stage.probe(perSecond: 100, from: 0, for: 20)
        stage.turn(at: 10)
        let both = (stage.sent[id] ?? []).flatMap { $0 }
        #expect(stage.turn([stage.answer(id, both + [7])], at: 11) == [.abort(id)])
        #expect(stage.row[.wrong] == 1 && stage.row[.echoes] == 2)
    }

    @Test("a connection that ends takes all its requests with it, each with its own wait")
    func ending() throws {
        let stage = try stage(depth: 3)
        let id = stage.opened(1)[0]
        stage.probe(perSecond: 100, from: 0, for: 30)
        stage.turn(at: 10)
        stage.turn(at: 20)
        stage.turn([.closed(id, .failed(Errno(104)))], at: 25)
        stage.turn(at: 30)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.censored == 3 && report.answered == 0)
        #expect(report.echoLatency.milliseconds == [5, 15, 25])
    }

    @Test("requests that are never answered are censored once, and late answers not measured")
    func stragglers() throws {
        let stage = try stage(depth: 3)
        let id = stage.opened(1)[0]
        stage.probe(perSecond: 100, from: 0, for: 20)
        stage.turn(at: 10)
        stage.turn(at: 20)
        stage.turn(at: 2_020)
        #expect(try #require(stage.mailbox.takeReport()).censored == 2)
        stage.probe(perSecond: 100, from: 3_000, for: 10)
        stage.turn([stage.answers(id, 0...2)], at: 3_004)
        stage.turn(at: 3_010)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.answered == 1 && report.echoLatency.milliseconds == [4])
        #expect(stage.row[.echoes] == 3)
    }

    @Test("a closed loop keeps the depth full")
    func closedLoop() throws {
        let stage = try LoadStage(shape: {
            $0.loop = .closed
            $0.pipelining = 3
        })
        let ids = stage.opened(2)
        #expect(stage.probe(perSecond: 0, from: 0, for: 50).sends == ids + ids + ids)
        #expect(stage.turn([stage.answers(ids[0], 0...1)], at: 5).sends == [ids[0], ids[0]])
        #expect(stage.turn([stage.answers(ids[0], 2...2)], at: 6).sends == [ids[0]])
    }

    @Test("giving up a connection forgets all its requests")
    func shed() throws {
        let stage = try stage(depth: 3)
        let ids = stage.opened(2)
        stage.probe(perSecond: 1_000, from: 0, for: 6)
        stage.turn(at: 5)
        #expect(stage.post(.shed(target: 1), at: 6) == [.abort(ids[1])])
        stage.turn([.closed(ids[1], .requested)], at: 7)
        #expect(stage.mailbox.takeReport() != nil)
        // Only the three of the other one are waited for.
        stage.post(.sweep, at: 8)
        stage.turn([stage.answers(ids[0], 0...2)], at: 9)
        #expect(stage.mailbox.takeReport() != nil)
    }

    @Test("numbers begin anew without a gap or a mix-up", arguments: [1, 2, 3, 7, 100])
    func wrapping(depth: Int) {
        let pipeline = Pipeline(depth: depth, indexLimit: 2)
        let id = ConnectionID(index: 1, generation: 0)
        var link = Link.idle
        link.sequence = Link.sequenceMax - 500
        var dues: [UInt64] = []
        var next: UInt64 = 1
        var hasBegunAnew = false
        for _ in 0..<1_000 {
            while dues.count < depth {
                pipeline.push(
                    id, &link, due: MonotonicTime(nanoseconds: next), isMeasured: next % 3 != 0)
                dues.append(next)
                next += 1
                hasBegunAnew = hasBegunAnew || link.sequence == 1
            }
            guard link.dueNanoseconds == dues[0], link.isUnmeasured == (dues[0] % 3 == 0),
                link.sequence != 0, link.outstanding == depth
            else {
                Issue.record("\(link) at \(dues[0])")
                return
            }
            pipeline.pop(id, &link)
            dues.removeFirst()
        }
        #expect(hasBegunAnew)
    }
}
