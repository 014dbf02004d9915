// Giving up connections: newest first, in batches, with every account kept.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct ShedTests {
    private func large() throws -> LoadStage {
        var settings = LoadSettings()
        settings.connectWindow = 600
        return try LoadStage(tuples: 600, slots: 600, settings)
    }

    @Test("the newest go, down to the target")
    func newest() throws {
        let stage = try LoadStage()
        let ids = stage.opened(5)
        #expect(stage.post(.shed(target: 3), at: 1) == [.abort(ids[4]), .abort(ids[3])])
        #expect(stage.mailbox.takeReport() == nil)
        stage.turn([.closed(ids[3], .requested)], at: 2)
        #expect(stage.mailbox.takeReport() == nil)
        stage.turn([.closed(ids[4], .requested)], at: 3)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.losses.isEmpty && report.failures.isEmpty && report.neverEchoed == 3)
        #expect(stage.row[.open] == 3 && stage.row[.closed] == 2 && stage.row[.lost] == 0)
        #expect(stage.row[.commandDone] == stage.mailbox.newest)
    }

    @Test("a target that is met already is done at once", arguments: [2, 9])
    func nothing(target: Int) throws {
        let stage = try LoadStage()
        _ = stage.opened(2)
        #expect(stage.post(.shed(target: target), at: 1).isEmpty)
        #expect(stage.mailbox.takeReport() != nil)
        #expect(stage.row[.open] == 2)
    }

    @Test("without any connection it is done at once")
    func empty() throws {
        let stage = try LoadStage()
        #expect(stage.post(.shed(target: 0), at: 1).isEmpty)
        #expect(stage.mailbox.takeReport() != nil)
    }

    @Test("many go in batches of 256, turn after turn")
    func batches() throws {
        let stage = try large()
        let ids = stage.opened(600)
        let first = stage.post(.shed(target: 50), at: 1).aborts
        #expect(first == Array(ids[344...].reversed()))
        #expect(stage.nextDue == -1_000, "the next turn is due at once")
        #expect(stage.turn(at: 1).aborts.count == 256)
        let last = stage.turn(at: 1).aborts
        #expect(last.count == 38 && last.last == ids[50])
        #expect(stage.nextDue == nil)
        stage.turn(ids[50...].map { .closed($0, .requested) }, at: 2)
        #expect(stage.mailbox.takeReport() != nil)
        #expect(stage.row[.open] == 50)
    }

    @Test("connects on their way are all given up, whatever the target")
    func opening() throws {
        let stage = try LoadStage()
        let ids = stage.post(.ramp(target: 4), at: 0).connects
        stage.turn([.connected(ids[0]), .connected(ids[2])], at: 1)
        #expect(stage.row[.opening] == 2)
        #expect(stage.post(.shed(target: 2), at: 2).aborts == [ids[3], ids[1]])
        stage.turn([.closed(ids[1], .requested), .closed(ids[3], .requested)], at: 3)
        #expect(try #require(stage.mailbox.takeReport()).failures.isEmpty)
        #expect(stage.row[.open] == 2 && stage.row[.failed] == 0 && stage.row[.lost] == 0)
        #expect(stage.row[.opening] == 0)
    }

    @Test("a connect that succeeds in the turn of the command is counted with the open ones")
    func succeeding() throws {
        let stage = try LoadStage()
        let ids = stage.post(.ramp(target: 3), at: 0).connects
        stage.mailbox.post(.shed(target: 1))
        let asked = stage.turn([.connected(ids[0]), .connected(ids[1])], at: 1)
        #expect(asked.aborts == [ids[2], ids[1]])
        stage.turn([.closed(ids[2], .requested), .closed(ids[1], .requested)], at: 2)
        #expect(stage.mailbox.takeReport() != nil)
        #expect(stage.row[.open] == 1)
    }

    @Test("a connect that succeeds before its abort arrives does not hold up the end")
    func succeedingLate() throws {
        let stage = try LoadStage()
        let ids = stage.post(.ramp(target: 2), at: 0).connects
        stage.turn([.connected(ids[0])], at: 1)
        #expect(stage.post(.shed(target: 1), at: 2).aborts == [ids[1]])
        stage.turn([.connected(ids[1])], at: 3)
        #expect(stage.row[.open] == 2 && stage.row[.opening] == 0)
        #expect(stage.mailbox.takeReport() == nil)
        stage.turn([.closed(ids[1], .requested)], at: 4)
        let report = try #require(stage.mailbox.takeReport())
        // The connect that was given up is not measured.
        #expect(report.connectLatency.milliseconds == [1])
        #expect(stage.row[.open] == 1 && stage.row[.closed] == 1)
    }

    @Test("a connect that succeeds before its turn to be given up is given up as an open one")
    func succeedingBefore() throws {
        let stage = try large()
        let ids = stage.post(.ramp(target: 600), at: 0).connects
        stage.turn(ids[10...].map { .connected($0) }, at: 1)
        // 590 are open; the first batch does not reach the ten oldest, which are opening.
        #expect(stage.post(.shed(target: 0), at: 2).aborts.count == 256)
        stage.turn(ids[..<10].map { .connected($0) }, at: 3)
        stage.turn(at: 4)
        stage.turn(at: 5)
        stage.turn(ids[10...].map { .closed($0, .requested) }, at: 6)
        #expect(stage.mailbox.takeReport() == nil)
        stage.turn(at: 7)
        stage.turn(ids[..<10].map { .closed($0, .requested) }, at: 8)
        #expect(stage.mailbox.takeReport() != nil)
        #expect(stage.row[.open] == 0 && stage.row[.closed] == 600)
    }

    @Test("a ramp that is cut short tells its failures, latencies and marks with the shedding")
    func cutShort() throws {
        let stage = try LoadStage(worker: (0, 500))
        let ids = stage.post(.ramp(target: 4), at: 0).connects
        let again = stage.turn(
            [.connected(ids[0]), .connected(ids[1]), .closed(ids[3], .failed(Errno(24)))], at: 3
        ).connects
        #expect(again.count == 1)
        #expect(stage.post(.shed(target: 2), at: 4).aborts == [again[0], ids[2]])
        stage.turn([.closed(ids[2], .requested), .closed(again[0], .requested)], at: 5)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.failures == [24: 1] && !report.gaveUp)
        #expect(report.connectLatency.milliseconds == [3, 3])
        #expect(report.rampMarksNanoseconds == [at(3).nanoseconds])
        // And it is told once.
        stage.post(.shed(target: 2), at: 6)
        let second = try #require(stage.mailbox.takeReport())
        #expect(second.failures.isEmpty && second.connectLatency.values.isEmpty)
        #expect(second.rampMarksNanoseconds.isEmpty)
    }

    @Test("a ramp that ended while other workers went on tells its failures with the shedding, too")
    func endedAlone() throws {
        let stage = try LoadStage()
        let ids = stage.post(.ramp(target: 2), at: 0).connects
        let again = stage.turn(
            [.connected(ids[0]), .closed(ids[1], .failed(Errno(98)))], at: 2
        ).connects
        stage.turn([.connected(again[0])], at: 3)
        // Its report is there, and nobody takes it.
        #expect(stage.row[.commandDone] == 1)
        stage.post(.shed(target: 2), at: 4)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.failures == [98: 1])
        #expect(report.connectLatency.milliseconds.count == 2)
    }

    @Test("a ramp whose report was taken is not told again")
    func toldOnce() throws {
        let stage = try LoadStage()
        let ids = stage.post(.ramp(target: 2), at: 0).connects
        let again = stage.turn(
            [.connected(ids[0]), .closed(ids[1], .failed(Errno(98)))], at: 2
        ).connects
        stage.turn([.connected(again[0])], at: 3)
        #expect(try #require(stage.mailbox.takeReport()).failures == [98: 1])
        stage.post(.shed(target: 2), at: 4)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.failures.isEmpty && report.connectLatency.values.isEmpty)
    }

    @Test("a connection that breaks while others are given up is lost")
    func lostMeanwhile() throws {
        let stage = try LoadStage()
        let ids = stage.opened(4)
        stage.post(.shed(target: 2), at: 1)
        stage.turn([.closed(ids[0], .failed(Errno(103))), .closed(ids[3], .requested)], at: 2)
        stage.turn([.closed(ids[2], .requested)], at: 3)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.losses == [103: 1])
        #expect(stage.row[.lost] == 1 && stage.row[.open] == 1)
    }

    @Test("losses are told once each")
    func lossesOnce() throws {
        let stage = try LoadStage()
        let ids = stage.opened(3)
        stage.turn([.closed(ids[0], .failed(Errno(104)))], at: 1)
        stage.post(.shed(target: 2), at: 2)
        #expect(try #require(stage.mailbox.takeReport()).losses == [104: 1])
        stage.turn([.closed(ids[1], .endOfStream)], at: 3)
        stage.post(.shed(target: 2), at: 4)
        // This one is not taken, and its losses go to the next.
        stage.post(.shed(target: 2), at: 5)
        #expect(try #require(stage.mailbox.takeReport()).losses == [0: 1])
        stage.post(.shed(target: 2), at: 6)
        #expect(try #require(stage.mailbox.takeReport()).losses.isEmpty)
    }

    @Test("requests of those that go are not waited for by a probe, a sweep or a close")
    func outstanding() throws {
        let stage = try LoadStage()
        let ids = stage.opened(3)
        #expect(stage.post(.sweep, at: 1).sends == ids)
        // Two answers are missing; the newest goes, and its late answer means nothing.
        stage.turn([stage.answer(ids[0])], at: 2)
        #expect(stage.post(.shed(target: 2), at: 3).aborts == [ids[2]])
        stage.turn([stage.answer(ids[2])], at: 4)
        stage.turn([.closed(ids[2], .requested)], at: 5)
        #expect(stage.mailbox.takeReport() != nil)
        #expect(stage.freeBuffers == 64)

        // The second one's answer is still awaited, and no other.
        #expect(stage.post(.sweep, at: 6).sends == [ids[0]])
        stage.turn([stage.answer(ids[0])], at: 7)
        #expect(stage.mailbox.takeReport() == nil)
        stage.turn([stage.answer(ids[1])], at: 8)
        #expect(try #require(stage.mailbox.takeReport()).neverEchoed == 0)

        #expect(stage.probe(perSecond: 100, from: 10, for: 20).sends == [ids[0]])
        #expect(stage.turn([stage.answer(ids[0])], at: 20).sends == [ids[1]])
        stage.turn([stage.answer(ids[1])], at: 30)
        let probe = try #require(stage.mailbox.takeReport())
        #expect(probe.due == 2 && probe.answered == 2 && probe.censored == 0)

        #expect(stage.post(.close(reset: true), at: 40).aborts == [ids[0], ids[1]])
        stage.turn([.closed(ids[0], .requested), .closed(ids[1], .requested)], at: 41)
        #expect(stage.mailbox.takeReport() != nil)
        #expect(stage.row[.wrong] == 0 && stage.row[.lost] == 0)
    }

    @Test("a probe that is cut short leaves nothing that a later one waits for")
    func cutProbe() throws {
        let stage = try LoadStage()
        let ids = stage.opened(2)
        stage.probe(perSecond: 100, from: 0, for: 1_000)
        stage.turn(at: 10)
        #expect(stage.post(.shed(target: 0), at: 11).aborts == [ids[1], ids[0]])
        stage.turn(ids.map { .closed($0, .requested) }, at: 12)
        #expect(try #require(stage.mailbox.takeReport()).censored == 0)
        stage.post(.sweep, at: 13)
        #expect(stage.mailbox.takeReport() != nil, "nothing is outstanding")
    }

    @Test("what was given up can be made again, under new names")
    func again() throws {
        let stage = try LoadStage()
        let ids = stage.opened(3)
        stage.post(.shed(target: 1), at: 1)
        stage.turn([.closed(ids[2], .requested), .closed(ids[1], .requested)], at: 2)
        _ = stage.mailbox.takeReport()
        let new = stage.post(.ramp(target: 3), at: 3).connects
        #expect(new.count == 2)
        stage.turn(new.map { .connected($0) }, at: 4)
        #expect(stage.mailbox.takeReport() != nil)
        #expect(stage.post(.sweep, at: 5).sends == [ids[0]] + new)
    }
}

@Suite struct SpentPlanTests {
    @Test("a ramp beyond its tuples gives up when all of them are connections")
    func spent() throws {
        let stage = try LoadStage(tuples: 3)
        let ids = stage.post(.ramp(target: 5), at: 0).connects
        #expect(ids.count == 3)
        stage.turn(ids[..<2].map { .connected($0) }, at: 1)
        #expect(stage.mailbox.takeReport() == nil)
        stage.turn([.connected(ids[2])], at: 2)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.gaveUp && report.failures.isEmpty)
        #expect(stage.row[.open] == 3)
    }

    @Test("a ramp to exactly its tuples is complete")
    func exact() throws {
        let stage = try LoadStage(tuples: 3)
        let ids = stage.post(.ramp(target: 3), at: 0).connects
        stage.turn(ids.map { .connected($0) }, at: 1)
        #expect(try #require(stage.mailbox.takeReport()).gaveUp == false)
    }
}
