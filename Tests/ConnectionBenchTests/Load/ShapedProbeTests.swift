// Probes of another shape: some connections only, bursts, a warm-up, sizes, a closed loop.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct ShapedProbeTests {
    // MARK: Active connections

    @Test("only the active part is sent to, evenly spread over the order of connects")
    func active() throws {
        let stage = try LoadStage(shape: { _ in })
        let ids = stage.opened(10)
        var order = stage.probe(perSecond: 1_000, from: 0, for: 8, active: 4).sends
        for millisecond in 1..<8 {
            order +=
                stage.turn([stage.answer(order[order.count - 1])], at: Double(millisecond))
                .sends
        }
        let busy = [0, 2, 5, 7].map { ids[$0] }
        #expect(order == busy + busy)
    }

    @Test("of 10,000 connections 1 % is active, and no two of them are neighbours")
    func activeSet() {
        let set = ActiveSet(100, of: 10_000)
        #expect((0..<100).map { set.position($0) } == (0..<100).map { $0 * 100 })
        // Further connections go on in the same way.
        #expect(set.position(101) == 10_100)
        #expect(set.number(from: 0) == 0 && set.number(from: 101) == 2)
        #expect(set.position(set.number(from: 500)) == 500)
    }

    @Test("a fraction is rounded, and at least one connection is active")
    func fraction() {
        var shape = LoadShape()
        shape.activeFraction = 0.01
        #expect(shape.active(of: 500_000) == 5_000)
        #expect(shape.active(of: 10) == 1 && shape.active(of: 0) == 0)
        shape.activeFraction = 1
        #expect(shape.active(of: 12_345) == 12_345)
    }

    @Test("without an active connection a worker offers nothing")
    func noneActive() throws {
        let stage = try LoadStage(shape: { $0.loop = .closed })
        _ = stage.opened(3)
        #expect(stage.probe(perSecond: 0, from: 0, for: 10, active: 0).isEmpty)
        stage.turn(at: 10)
        #expect(try #require(stage.mailbox.takeReport()).due == 0)
    }

    // MARK: Bursts and warm-up

    @Test("a burst is sent in one turn, and each request of it counts from the same due time")
    func burst() throws {
        let stage = try LoadStage(shape: { $0.burst = 4 })
        let ids = stage.opened(10)
        #expect(stage.probe(perSecond: 1_000, from: 0, for: 8).sends == Array(ids[..<4]))
        #expect(stage.nextDue == 4)
        #expect(stage.turn(at: 4).sends == Array(ids[4..<8]))
        stage.turn(ids[..<8].map { stage.answer($0) }, at: 8)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.due == 8)
        #expect(report.echoLatency.milliseconds == [4, 4, 4, 4, 8, 8, 8, 8])
    }

    @Test("requests of the warm-up are sent and answered, and not recorded")
    func warmup() throws {
        let stage = try LoadStage(shape: { _ in })
        let ids = stage.opened(10)
        var sends = stage.probe(perSecond: 100, from: 0, for: 20, warmup: 30).sends
        for millisecond in [10, 20, 30, 40] { sends += stage.turn(at: Double(millisecond)).sends }
        #expect(sends.count == 5)
        stage.turn(ids[..<5].map { stage.answer($0) }, at: 49)
        stage.turn(at: 50)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.due == 2 && report.sent == 2 && report.answered == 2)
        #expect(report.censored == 0)
        #expect(report.echoLatency.milliseconds == [9, 19])
        #expect(stage.row[.echoes] == 5)
    }

    @Test("a warm-up that is never answered is not censored into the histogram")
    func unansweredWarmup() throws {
        let stage = try LoadStage(shape: { _ in })
        let ids = stage.opened(2)
        stage.probe(perSecond: 100, from: 0, for: 10, warmup: 10)
        stage.turn(at: 10)
        stage.turn([stage.answer(ids[1])], at: 15)
        stage.turn(at: 20)
        stage.turn(at: 2_020)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.due == 1 && report.answered == 1 && report.censored == 0)
        #expect(report.echoLatency.milliseconds == [5])
    }

    @Test("what the warm-up could not send is sent before what is measured")
    func warmupBacklog() throws {
        let stage = try LoadStage(shape: { _ in })
        let id = stage.opened(1)[0]
        stage.probe(perSecond: 100, from: 0, for: 20, warmup: 20)
        // Busy from 0 ms on: the request of 10 ms waits, then that of 20 ms behind it.
        #expect(stage.turn(at: 20).sends.isEmpty)
        stage.turn([stage.answer(id)], at: 25)
        stage.turn([stage.answer(id)], at: 26)
        stage.turn([stage.answer(id)], at: 27)
        #expect(stage.turn(at: 30).sends == [id])
        stage.turn([stage.answer(id)], at: 31)
        stage.turn(at: 40)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.echoLatency.milliseconds == [1, 7])
    }

    // MARK: Poisson

    @Test("Poisson arrivals are sent when they are due, whatever the answers do")
    func poisson() throws {
        let stage = try LoadStage(shape: { $0.arrivals = .poisson })
        _ = stage.opened(50)
        var sent = stage.probe(perSecond: 1_000, from: 0, for: 30).sends.count
        var turns = 1
        while let due = stage.nextDue, due < 30, turns < 200 {
            // Every turn that it asks for has something to send.
            let now = stage.turn(at: due).sends.count
            #expect(now >= 1)
            sent += now
            turns += 1
        }
        #expect(sent > 10 && sent < 50, "30 in the mean")
        stage.turn(at: 30)
        stage.turn(at: 2_030)
        #expect(try #require(stage.mailbox.takeReport()).due == sent)
    }

    // MARK: Sizes

    @Test("each request has its own size, and its answer is checked to the last byte")
    func sizes() throws {
        let stage = try LoadStage(shape: { $0.messages = .uniform(from: 10, to: 1_000) })
        let ids = stage.opened(20)
        stage.post(.sweep, at: 1)
        let counts = ids.map { stage.requests[$0]?.count ?? 0 }
        #expect(counts.allSatisfy { (10...1_000).contains($0) } && Set(counts).count > 10)
        let bytes = try #require(stage.requests[ids[0]])
        #expect(stage.turn([stage.answer(ids[0], Array(bytes.dropLast()))], at: 2).count == 1)
        #expect(stage.row[.echoes] == 0)
        stage.turn([stage.answer(ids[0], [bytes[bytes.count - 1]])], at: 3)
        #expect(stage.row[.echoes] == 1)
        var wrong = try #require(stage.requests[ids[1]])
        wrong[wrong.count - 1] ^= 1
        #expect(stage.turn([stage.answer(ids[1], wrong)], at: 4) == [.abort(ids[1])])
    }

    @Test("sizes come as often as their weights say")
    func weights() {
        let sizer = MessageSizer(
            .weighted(sizes: [
                .init(byteCount: 64, weight: 90), .init(byteCount: 1_024, weight: 9),
                .init(byteCount: 16_000, weight: 1),
            ]), fixed: 0)
        var counts: [Int: Int] = [:]
        for number in 0..<100_000 {
            let pattern = MessagePattern(
                connection: UInt32(number % 1_000), sequence: UInt32(number / 1_000 + 1))
            counts[sizer.byteCount(pattern), default: 0] += 1
        }
        #expect(counts.keys.sorted() == [64, 1_024, 16_000])
        #expect(abs(counts[64, default: 0] - 90_000) < 500)
        #expect(abs(counts[1_024, default: 0] - 9_000) < 500)
        #expect(abs(counts[16_000, default: 0] - 1_000) < 150)
    }

    @Test("a uniform range has both of its ends, equally often")
    func uniform() {
        let sizer = MessageSizer(.uniform(from: 5, to: 8), fixed: 0)
        var counts: [Int: Int] = [:]
        for number in 1...40_000 {
            let pattern = MessagePattern(connection: UInt32(number), sequence: 1)
            counts[sizer.byteCount(pattern), default: 0] += 1
        }
        #expect(counts.keys.sorted() == [5, 6, 7, 8])
        #expect(counts.values.allSatisfy { abs($0 - 10_000) < 500 }, "\(counts)")
    }

    // MARK: A closed loop

    @Test("in a closed loop an answer brings the next request, and latency counts from its send")
    func closedLoop() throws {
        let stage = try LoadStage(shape: { $0.loop = .closed })
        let ids = stage.opened(3)
        #expect(stage.probe(perSecond: 0, from: 0, for: 100).sends == ids)
        #expect(stage.turn([stage.answer(ids[1])], at: 7).sends == [ids[1]])
        #expect(stage.turn([stage.answer(ids[1])], at: 9).sends == [ids[1]])
        #expect(stage.turn(at: 50).sends.isEmpty)
        // After the end nothing is sent any more.
        #expect(stage.turn(ids.map { stage.answer($0) }, at: 100).sends.isEmpty)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.due == 5 && report.answered == 5)
        #expect(report.echoLatency.milliseconds == [2, 7, 91, 100, 100])
    }

    @Test("in a closed loop the warm-up is not recorded either")
    func closedWarmup() throws {
        let stage = try LoadStage(shape: { $0.loop = .closed })
        let id = stage.opened(1)[0]
        stage.probe(perSecond: 0, from: 0, for: 10, warmup: 10)
        stage.turn([stage.answer(id)], at: 4)
        stage.turn([stage.answer(id)], at: 12)
        stage.turn([stage.answer(id)], at: 15)
        stage.turn([stage.answer(id)], at: 20)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.echoLatency.milliseconds == [3, 5])
        #expect(report.due == 2 && stage.row[.echoes] == 4)
    }

    @Test("a closed loop that finds no buffer sends as soon as there is one")
    func closedWithoutBuffers() throws {
        let stage = try LoadStage(buffers: 9, shape: { $0.loop = .closed })
        let ids = stage.opened(2)
        let held = stage.answer(ids[1], [0])
        #expect(stage.probe(perSecond: 0, from: 0, for: 100).sends.isEmpty)
        // A wrong answer gives its buffer back, and there is one for a request.
        #expect(stage.turn([held], at: 1).sends == [ids[0]])
    }
}
