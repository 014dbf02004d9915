// The probe: a fixed rate whatever the answers do, and latencies that begin when requests are due.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct ProbeTests {
    @Test("latency counts from the due time, not from the send")
    func latencyFromDueTime() throws {
        let stage = try LoadStage()
        let ids = stage.opened(1)
        #expect(stage.probe(perSecond: 100, from: 100, for: 10).sends == ids)
        stage.turn([stage.answer(ids[0])], at: 102)
        #expect(stage.nextDue == 110)

        let late = try LoadStage()
        let id = late.opened(1)[0]
        late.probe(perSecond: 100, from: 100, for: 20)
        // The turn that should send the second request comes 7 ms after it was due.
        #expect(late.turn([late.answer(id)], at: 117).sends == [id])
        late.turn([late.answer(id)], at: 125)
        let report = try #require(late.mailbox.takeReport())
        #expect(report.echoLatency.milliseconds == [15, 17])
    }

    @Test("the offered rate keeps its schedule when answers are late")
    func scheduleIsKept() throws {
        let stage = try LoadStage()
        let ids = stage.opened(10)
        stage.probe(perSecond: 1_000, from: 0, for: 10)
        var sent = 1
        for millisecond in 1..<10 {
            sent += stage.turn(at: Double(millisecond)).sends.count
        }
        #expect(sent == 10)
        // All answers come together: the first has waited longest.
        stage.turn(ids.map { stage.answer($0) }, at: 20)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.echoLatency.milliseconds == Array(11...20))
        #expect(report.due == 10 && report.sent == 10 && report.answered == 10)
    }

    @Test("a turn that comes late sends everything that was due meanwhile")
    func catchesUp() throws {
        let stage = try LoadStage()
        _ = stage.opened(10)
        stage.probe(perSecond: 1_000, from: 0, for: 100)
        #expect(stage.turn(at: 5).sends.count == 5)
    }

    @Test("a request that finds every connection busy stays due")
    func staysDue() throws {
        let stage = try LoadStage()
        let id = stage.opened(1)[0]
        stage.probe(perSecond: 100, from: 0, for: 30)
        #expect(stage.turn(at: 10).sends.isEmpty)
        #expect(stage.turn([stage.answer(id)], at: 19).sends == [id])
        // Due at 10 ms, sent at 19 ms, answered at 20 ms.
        stage.turn([stage.answer(id)], at: 20)
        stage.turn([stage.answer(id)], at: 31)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.echoLatency.milliseconds == [10, 11, 19])
    }

    @Test("requests without an answer count with the time they have waited")
    func censored() throws {
        let stage = try LoadStage()
        let ids = stage.opened(2)
        stage.probe(perSecond: 100, from: 0, for: 20)
        stage.turn(at: 10)
        stage.turn([stage.answer(ids[0])], at: 20)
        #expect(stage.mailbox.takeReport() == nil)
        // Two seconds after its end nothing more is waited for.
        #expect(stage.nextDue == 2_020)
        stage.turn(at: 2_020)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.answered == 1 && report.censored == 1)
        #expect(report.echoLatency.milliseconds.count == 2)
        #expect(abs((report.echoLatency.milliseconds.last ?? 0) - 2_010) <= 2)
    }

    @Test("requests that were due but could not be sent count as well")
    func unsent() throws {
        let stage = try LoadStage()
        let id = stage.opened(1)[0]
        stage.probe(perSecond: 100, from: 0, for: 30)
        stage.turn(at: 30)
        stage.turn([stage.answer(id)], at: 40)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.due == 3 && report.sent == 1)
        #expect(report.answered == 1 && report.censored == 2)
        #expect(report.echoLatency.milliseconds == [10, 20, 40])
    }

    @Test("a request whose connection ends counts with the time it has waited")
    func lostRequest() throws {
        let stage = try LoadStage()
        let ids = stage.opened(2)
        stage.probe(perSecond: 100, from: 0, for: 20)
        stage.turn(at: 10)
        stage.turn([.closed(ids[0], .failed(Errno(104)))], at: 15)
        stage.turn([stage.answer(ids[1])], at: 20)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.due == report.answered + report.censored)
        #expect(report.echoLatency.milliseconds == [10, 15])
        #expect(stage.row[.lost] == 1)
    }

    @Test("the answer to a censored request is not measured in the next probe")
    func straggler() throws {
        let stage = try LoadStage()
        let ids = stage.opened(2)
        stage.probe(perSecond: 100, from: 0, for: 10)
        stage.turn(at: 10)
        stage.turn(at: 2_010)
        #expect(try #require(stage.mailbox.takeReport()).censored == 1)
        stage.probe(perSecond: 100, from: 3_000, for: 10)
        stage.turn([stage.answer(ids[0])], at: 3_005)
        stage.turn([stage.answer(ids[1])], at: 3_010)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.echoLatency.milliseconds == [10])
        #expect(stage.row[.echoes] == 2)
    }

    @Test("requests go to all connections in turn")
    func inTurn() throws {
        let stage = try LoadStage()
        let ids = stage.opened(3)
        var order = stage.probe(perSecond: 1_000, from: 0, for: 6).sends
        for millisecond in 1..<6 {
            let done = stage.answer(order[order.count - 1])
            order += stage.turn([done], at: Double(millisecond)).sends
        }
        #expect(order == ids + ids)
    }

    @Test("without a rate nothing is due and the probe ends")
    func noRate() throws {
        let stage = try LoadStage()
        _ = stage.opened(1)
        #expect(stage.probe(perSecond: 0, from: 0, for: 10).isEmpty)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.due == 0 && report.censored == 0)
    }

    @Test("without buffers a request waits")
    func buffers() throws {
        let stage = try LoadStage(buffers: 9)
        let ids = stage.opened(2)
        let held = stage.answer(ids[0], [0])
        #expect(stage.probe(perSecond: 1_000, from: 0, for: 10).sends.isEmpty)
        #expect(stage.mailbox.takeReport() == nil)
        stage.turn([.closed(ids[1], .endOfStream)], at: 1)
        withExtendedLifetime(held) {}
    }
}
