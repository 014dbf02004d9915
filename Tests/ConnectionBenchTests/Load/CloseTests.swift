// The end of all connections, including those that were still on their way.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct CloseTests {
    @Test("all connections are reset, and the command is done with the last one")
    func reset() throws {
        let stage = try LoadStage()
        let ids = stage.opened(3)
        #expect(stage.post(.close(reset: true), at: 1) == ids.map { .abort($0) })
        stage.turn(ids[..<2].map { .closed($0, .requested) }, at: 2)
        #expect(stage.mailbox.takeReport() == nil)
        stage.turn([.closed(ids[2], .requested)], at: 3)
        #expect(stage.mailbox.takeReport() != nil)
        #expect(stage.row[.closed] == 3 && stage.row[.lost] == 0 && stage.row[.open] == 0)
    }

    @Test("or ended in order")
    func inOrder() throws {
        let stage = try LoadStage()
        let ids = stage.opened(2)
        #expect(stage.post(.close(reset: false), at: 1) == ids.map { .close($0) })
    }

    @Test("many connections are closed in batches, turn after turn")
    func batches() throws {
        let stage = try LoadStage(
            tuples: 600, slots: 600,
            {
                var settings = LoadSettings()
                settings.connectWindow = 600
                return settings
            }())
        let ids = stage.opened(600)
        #expect(stage.post(.close(reset: true), at: 1).count == 256)
        #expect(stage.nextDue == -1_000, "the next turn is due at once")
        #expect(stage.turn(at: 1).count == 256)
        #expect(stage.turn(at: 1).count == 88)
        #expect(stage.nextDue == nil)
        stage.turn(ids.map { .closed($0, .requested) }, at: 2)
        #expect(stage.mailbox.takeReport() != nil)
    }

    @Test("connects on their way are aborted too, and waited for", arguments: [true, false])
    func opening(reset: Bool) throws {
        let stage = try LoadStage()
        let ids = stage.post(.ramp(target: 3), at: 0).connects
        stage.turn([.connected(ids[0])], at: 1)
        let asked = stage.post(.close(reset: reset), at: 2)
        let first: ConnectionEngine.Operation = reset ? .abort(ids[0]) : .close(ids[0])
        #expect(asked == [first, .abort(ids[1]), .abort(ids[2])])
        stage.turn([.closed(ids[0], .requested), .closed(ids[1], .requested)], at: 3)
        #expect(stage.mailbox.takeReport() == nil)
        stage.turn([.closed(ids[2], .requested)], at: 4)
        #expect(stage.mailbox.takeReport() != nil)
        #expect(stage.row[.failed] == 0, "an aborted connect is no failure")
    }

    @Test("a connect that succeeds in the turn of the command is closed")
    func succeeding() throws {
        let stage = try LoadStage()
        let ids = stage.post(.ramp(target: 2), at: 0).connects
        stage.mailbox.post(.close(reset: true))
        let asked = stage.turn([.connected(ids[0]), .connected(ids[1])], at: 1)
        #expect(asked == ids.map { .abort($0) })
    }

    @Test("requests on their way do not hold up the end")
    func requests() throws {
        let stage = try LoadStage()
        let ids = stage.opened(2)
        stage.post(.sweep, at: 1)
        #expect(stage.post(.close(reset: true), at: 2).count == 2)
        stage.turn([stage.answer(ids[0]), .closed(ids[1], .requested)], at: 3)
        stage.turn([.closed(ids[0], .requested)], at: 4)
        #expect(stage.mailbox.takeReport() != nil)
    }

    @Test("without connections the close is done at once")
    func nothing() throws {
        let stage = try LoadStage()
        #expect(stage.post(.close(reset: true), at: 1).isEmpty)
        #expect(stage.mailbox.takeReport() != nil)
        #expect(stage.row[.commandDone] == stage.mailbox.newest)
    }
}
