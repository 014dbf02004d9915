// The ramp: to its target, within its window, at its rate, and around what fails.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct RampTests {
    private func settings(_ change: (inout LoadSettings) -> Void) -> LoadSettings {
        var settings = LoadSettings()
        change(&settings)
        return settings
    }

    @Test("no more connects are on their way than the window allows")
    func window() throws {
        let stage = try LoadStage(settings { $0.connectWindow = 3 })
        let first = stage.post(.ramp(target: 5), at: 0).connects
        #expect(first.count == 3)
        #expect(stage.turn(at: 1).isEmpty)
        let second = stage.turn([.connected(first[0])], at: 2).connects
        #expect(second.count == 1)
        #expect(
            stage.turn([.connected(first[1]), .connected(first[2])], at: 3).connects.count == 1)
    }

    @Test("the ramp ends at its target, with every connect measured")
    func target() throws {
        let stage = try LoadStage()
        let ids = stage.post(.ramp(target: 4), at: 0).connects
        #expect(ids.count == 4 && Set(ids).count == 4)
        stage.turn(ids[..<3].map { .connected($0) }, at: 5)
        #expect(stage.mailbox.takeReport() == nil)
        stage.turn([.connected(ids[3])], at: 9)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.connectLatency.milliseconds == [5, 5, 5, 9])
        #expect(report.neverEchoed == 4 && !report.gaveUp)
        #expect(stage.row[.open] == 4 && stage.row[.opened] == 4)
        #expect(stage.row[.lastOpenAt] == Int(at(9).nanoseconds))
        #expect(stage.row[.commandDone] == 1)
    }

    @Test("a second ramp adds what is missing")
    func second() throws {
        let stage = try LoadStage()
        _ = stage.opened(3)
        #expect(stage.post(.ramp(target: 5), at: 10).connects.count == 2)
    }

    @Test("a ramp to what exists already is done at once")
    func nothing() throws {
        let stage = try LoadStage()
        _ = stage.opened(3)
        #expect(stage.post(.ramp(target: 3), at: 10).isEmpty)
        #expect(stage.mailbox.takeReport() != nil)
    }

    @Test("connects keep to their rate, and are measured from when they were due")
    func rate() throws {
        let stage = try LoadStage(settings { $0.connectsPerSecond = 100 })
        let first = stage.post(.ramp(target: 3), at: 0).connects
        #expect(first.count == 1)
        #expect(stage.nextDue == 10)
        #expect(stage.turn(at: 5).isEmpty)
        // Two were due by now, at 10 and at 20 ms.
        let late = stage.turn([.connected(first[0])], at: 20).connects
        #expect(late.count == 2)
        stage.turn(late.map { .connected($0) }, at: 25)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.connectLatency.milliseconds == [5, 15, 20])
    }

    @Test("workers begin their paced connects at different times")
    func stagger() throws {
        let stage = try LoadStage(worker: (1, 2), settings { $0.connectsPerSecond = 100 })
        #expect(stage.post(.ramp(target: 3), at: 0).isEmpty)
        #expect(stage.nextDue == 5)
    }

    @Test("a failed connect is tried again with the next tuple")
    func retried() throws {
        let stage = try LoadStage()
        let asked = stage.post(.ramp(target: 2), at: 0)
        let ids = asked.connects
        let again = stage.turn(
            [.connected(ids[0]), .closed(ids[1], .failed(Errno(98)))], at: 1)
        #expect(again.connects.count == 1)
        #expect(!asked.sources.contains(again.sources[0]))
        stage.turn([.connected(again.connects[0])], at: 2)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.failures == [98: 1] && !report.gaveUp)
        #expect(stage.row[.failed] == 1 && stage.row[.lastError] == 98)
        #expect(stage.row[.open] == 2)
    }

    @Test("the ramp gives up after too many failures")
    func givesUp() throws {
        let stage = try LoadStage(
            settings {
                $0.failuresMax = 5
                $0.connectWindow = 1
            })
        var asked = stage.post(.ramp(target: 10), at: 0).connects
        var failures = 0
        while let id = asked.first, failures < 100 {
            failures += 1
            asked = stage.turn([.closed(id, .failed(Errno(111)))], at: Double(failures)).connects
        }
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.gaveUp && report.failures == [111: failures])
        #expect(failures == 7, "the sixth failure is one too many; one connect was on its way")
    }

    @Test("the ramp gives up when it has no tuple left")
    func noTuples() throws {
        let stage = try LoadStage(tuples: 3)
        let ids = stage.post(.ramp(target: 3), at: 0).connects
        stage.turn(
            [.connected(ids[0]), .connected(ids[1]), .closed(ids[2], .failed(Errno(98)))], at: 1)
        #expect(try #require(stage.mailbox.takeReport()).gaveUp)
    }

    @Test("connections that are lost are made again in the next ramp")
    func lost() throws {
        let stage = try LoadStage()
        let ids = stage.opened(3)
        stage.turn([.closed(ids[1], .endOfStream)], at: 1)
        #expect(stage.row[.lost] == 1 && stage.row[.open] == 2)
        #expect(stage.post(.ramp(target: 3), at: 2).connects.count == 1)
    }

    @Test("marks tell when parts of the connections existed")
    func marks() throws {
        let stage = try LoadStage(worker: (0, 500), slots: 100)
        let ids = stage.post(.ramp(target: 6), at: 0).connects
        for (position, id) in ids.enumerated() {
            stage.turn([.connected(id)], at: Double(position))
        }
        let report = try #require(stage.mailbox.takeReport())
        // Of 500 workers each marks every second connection: together one in 1,000.
        #expect(LoadReport.rampMarkInterval(workers: 500) == 2)
        #expect(report.rampMarksNanoseconds == [1, 3, 5].map { at($0).nanoseconds })
    }
}
