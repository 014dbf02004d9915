// The sweep: every connection echoes once, whatever happened to it before.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct SweepTests {
    @Test("a sweep touches every connection once, within its window")
    func once() throws {
        var settings = LoadSettings()
        settings.sweepWindow = 2
        let stage = try LoadStage(settings)
        let ids = stage.opened(5)
        var touched: [ConnectionID] = []
        var asked = stage.post(.sweep, at: 10).sends
        while let id = asked.first {
            #expect(asked.count <= 2)
            touched.append(id)
            asked = Array(asked.dropFirst()) + stage.turn([stage.answer(id)], at: 11).sends
        }
        #expect(touched == ids)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.neverEchoed == 0 && report.answered == 5)
    }

    @Test("a connection that ends in the sweep does not hold it up")
    func ending() throws {
        let stage = try LoadStage()
        let ids = stage.opened(2)
        stage.post(.sweep, at: 1)
        stage.turn([stage.answer(ids[0]), .closed(ids[1], .endOfStream)], at: 2)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.answered == 1 && stage.row[.open] == 1 && stage.row[.lost] == 1)
    }

    @Test("a sweep waits for what a probe has left unanswered")
    func straggler() throws {
        let stage = try LoadStage()
        let ids = stage.opened(2)
        stage.probe(perSecond: 100, from: 0, for: 10)
        stage.turn(at: 10)
        stage.turn(at: 2_010)
        _ = stage.mailbox.takeReport()
        #expect(stage.post(.sweep, at: 3_000).sends == [ids[1]])
        stage.turn([stage.answer(ids[1])], at: 3_001)
        #expect(stage.mailbox.takeReport() == nil)
        stage.turn([stage.answer(ids[0])], at: 3_002)
        #expect(try #require(stage.mailbox.takeReport()).neverEchoed == 0)
    }

    @Test("a connection whose index was used before is served once, under its new name")
    func reusedIndex() throws {
        let stage = try LoadStage()
        let ids = stage.opened(3)
        stage.turn([.closed(ids[0], .endOfStream)], at: 1)
        let new = stage.post(.ramp(target: 3), at: 2).connects
        #expect(new.first?.index == ids[0].index && new.first != ids[0])
        stage.turn([.connected(new[0])], at: 3)
        #expect(try #require(stage.mailbox.takeReport()).neverEchoed == 3)
        let asked = stage.post(.sweep, at: 4).sends
        #expect(asked == [ids[1], ids[2], new[0]])
        stage.turn(asked.map { stage.answer($0) }, at: 5)
        #expect(stage.mailbox.takeReport() != nil)
    }

    @Test("an index that was used twice within one ramp is served once")
    func reusedInRamp() throws {
        let stage = try LoadStage()
        let first = stage.post(.ramp(target: 2), at: 0).connects
        let again = stage.turn(
            [.connected(first[0]), .closed(first[1], .failed(Errno(98)))], at: 1
        ).connects
        #expect(again.first?.index == first[1].index)
        stage.turn([.connected(again[0])], at: 2)
        #expect(try #require(stage.mailbox.takeReport()).neverEchoed == 2)
        #expect(stage.post(.sweep, at: 3).sends == [first[0], again[0]])
    }
}
