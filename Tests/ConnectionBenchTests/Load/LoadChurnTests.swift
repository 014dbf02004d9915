// Churn: the oldest connections end at an even rate, fresh ones take their places, none is missing.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct LoadChurnTests {
    private func stage(tuples: Int = 100) throws -> LoadStage {
        try LoadStage(tuples: tuples, shape: { _ in })
    }

    @Test("the oldest ends when it is due, while its replacement connects with a fresh tuple")
    func replaced() throws {
        let stage = try stage()
        let before = stage.post(.ramp(target: 3), at: 0)
        let ids = before.connects
        stage.turn(ids.map { .connected($0) }, at: 0)
        _ = stage.mailbox.takeReport()
        let asked = stage.churn(closesPerSecond: 100, from: 0, for: 20)
        #expect(asked.aborts == [ids[0]] && asked.connects.count == 1)
        #expect(!before.sources.contains(asked.sources[0]))
        #expect(stage.nextDue == 10)
        let first = asked.connects[0]
        stage.turn([.connected(first), .closed(ids[0], .requested)], at: 2)
        #expect(stage.row[.open] == 3)
        let second = stage.turn(at: 10)
        #expect(second.aborts == [ids[1]])
        stage.turn([.closed(ids[1], .requested), .connected(second.connects[0])], at: 15)
        stage.turn(at: 20)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.retired == 2 && report.replaced == 2)
        #expect(report.connectLatency.milliseconds == [2, 5])
        #expect(report.losses.isEmpty && report.failures.isEmpty)
        #expect(stage.row[.open] == 3 && stage.row[.lost] == 0)
    }

    @Test("or in order, with FIN")
    func inOrder() throws {
        let stage = try stage()
        let ids = stage.opened(2)
        let asked = stage.churn(closesPerSecond: 100, from: 0, for: 10, inOrder: true)
        #expect(asked.contains(.close(ids[0])) && asked.aborts.isEmpty)
    }

    @Test("closes of several workers interleave")
    func stagger() throws {
        let stage = try LoadStage(worker: (1, 2), shape: { _ in })
        _ = stage.opened(3)
        #expect(stage.churn(closesPerSecond: 100, from: 0, for: 20).isEmpty)
        #expect(stage.nextDue == 5)
    }

    @Test("a churn longer than a lifetime ends the fresh ones too, each once")
    func generations() throws {
        let stage = try stage()
        let ids = stage.opened(2)
        var asked = stage.churn(closesPerSecond: 1_000, from: 0, for: 6)
        var ended: [ConnectionID] = []
        for millisecond in 1...6 {
            ended += asked.aborts
            asked = stage.turn(
                asked.aborts.map { .closed($0, .requested) }
                    + asked.connects.map { .connected($0) }, at: Double(millisecond))
        }
        #expect(ended.count == 6 && Set(ended).count == 6)
        #expect(Array(ended[..<2]) == ids)
        #expect(try #require(stage.mailbox.takeReport()).retired == 6)
        #expect(stage.row[.open] == 2)
    }

    @Test("a replacement that fails is made again, and the account is right")
    func failed() throws {
        let stage = try stage()
        let ids = stage.opened(2)
        let first = stage.churn(closesPerSecond: 100, from: 0, for: 10)
        let again = stage.turn(
            [.closed(ids[0], .requested), .closed(first.connects[0], .failed(Errno(111)))], at: 1)
        #expect(again.connects.count == 1 && again.sources != first.sources)
        stage.turn([.connected(again.connects[0])], at: 3)
        stage.turn(at: 10)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.failures == [111: 1] && report.retired == 1 && report.replaced == 1)
        #expect(stage.row[.open] == 2)
    }

    @Test("a connection that is lost meanwhile is replaced too, and told as lost")
    func lost() throws {
        let stage = try stage()
        let ids = stage.opened(4)
        stage.churn(closesPerSecond: 1, from: 0, for: 10)
        let asked = stage.turn([.closed(ids[3], .failed(Errno(104)))], at: 1)
        #expect(asked.connects.count == 1)
        // Its index has the newer connection now, which its old place does not end again.
        #expect(asked.connects[0].index == ids[3].index)
        stage.turn([.connected(asked.connects[0]), .closed(ids[0], .requested)], at: 2)
        #expect(stage.row[.lost] == 1)
    }

    @Test("in the middle of a request a connection ends with the answer")
    func busy() throws {
        let stage = try stage()
        let ids = stage.opened(2)
        stage.probe(perSecond: 100, from: 0, for: 10)
        stage.turn([stage.answer(ids[0])], at: 1)
        stage.turn(at: 10)
        _ = stage.mailbox.takeReport()
        // The next request goes to the second connection; the first is ended at 20 ms.
        var asked = stage.churn(closesPerSecond: 50, perSecond: 50, from: 20, for: 60)
        #expect(asked.sends == [ids[1]] && asked.aborts == [ids[0]])
        stage.turn([.closed(ids[0], .requested), .connected(asked.connects[0])], at: 21)
        asked = stage.turn(at: 40)
        #expect(asked.aborts.isEmpty, "its answer is due")
        #expect(asked.connects.count == 1)
        asked = stage.turn([stage.answer(ids[1])], at: 45)
        #expect(asked.aborts == [ids[1]])
    }

    @Test("the probe goes on over those that are there, and misses none of its due times")
    func probing() throws {
        let stage = try stage()
        _ = stage.opened(3)
        var asked = stage.churn(closesPerSecond: 500, perSecond: 1_000, from: 0, for: 8)
        var requests = asked.sends.count
        for millisecond in 1..<8 {
            asked = stage.turn(
                asked.sends.map { stage.answer($0) }
                    + asked.aborts.map { .closed($0, .requested) }
                    + asked.connects.map { .connected($0) }, at: Double(millisecond))
            requests += asked.sends.count
        }
        stage.turn(
            asked.sends.map { stage.answer($0) } + asked.aborts.map { .closed($0, .requested) }
                + asked.connects.map { .connected($0) }, at: 8)
        stage.turn(at: 9)
        let report = try #require(stage.mailbox.takeReport())
        #expect(requests == 8 && report.due == 8 && report.answered == 8)
        #expect(report.retired == 4 && report.replaced == 4 && stage.row[.open] == 3)
    }

    @Test("without a tuple nothing ends: what is held stays held")
    func noTuples() throws {
        let stage = try stage(tuples: 3)
        let ids = stage.opened(2)
        let asked = stage.churn(closesPerSecond: 1_000, from: 0, for: 10)
        #expect(asked.aborts == [ids[0]])
        stage.turn([.closed(ids[0], .requested), .connected(asked.connects[0])], at: 1)
        #expect(stage.turn(at: 9).aborts.isEmpty)
        stage.turn(at: 10)
        #expect(try #require(stage.mailbox.takeReport()).retired == 1)
        #expect(stage.row[.open] == 2)
    }

    @Test("one churn after another, a client's list of its connections does not grow")
    func slices() throws {
        let stage = try stage(tuples: 1_000)
        _ = stage.opened(4)
        for slice in 0..<50 {
            let start = 1_000 * Double(slice)
            let asked = stage.churn(closesPerSecond: 300, from: start, for: 10)
            let more = stage.turn(
                asked.aborts.map { .closed($0, .requested) }
                    + asked.connects.map { .connected($0) }, at: start + 9)
            stage.turn(
                more.aborts.map { .closed($0, .requested) }
                    + more.connects.map { .connected($0) }, at: start + 10)
            #expect(try #require(stage.mailbox.takeReport()).retired == 3)
            #expect(stage.places == 4 && stage.row[.open] == 4)
        }
    }

    @Test("in a storm all connects are due at once, without a window, and in parts")
    func storm() throws {
        var settings = LoadSettings()
        settings.connectWindow = 2
        settings.connectsPerSecond = 1
        let stage = try LoadStage(tuples: 3_000, slots: 3_000, settings)
        let asked = stage.post(
            .ramp(target: 1_500, allDueNanoseconds: at(0).nanoseconds), at: 1)
        #expect(asked.connects.count == 1_024 && stage.nextDue == -1_000)
        let rest = stage.turn(at: 2)
        #expect(rest.connects.count == 476 && stage.nextDue == nil)
        stage.turn(asked.connects.map { .connected($0) }, at: 10)
        stage.turn(rest.connects.map { .connected($0) }, at: 20)
        let report = try #require(stage.mailbox.takeReport())
        let latencies = report.connectLatency.milliseconds
        #expect(latencies.count == 1_500 && latencies.first == 10 && latencies.last == 20)
    }
}
