// The connect rate at both ends of a run, from marks of many workers in many steps.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct RampTimelineTests {
    private func seconds(_ seconds: Double) -> UInt64 { at(seconds * 1_000).nanoseconds }

    @Test("marks of several workers become points at each further 1,000")
    func points() {
        var timeline = RampTimeline()
        // Two workers, a mark for each 500 of one: four marks for 2,000 connections.
        timeline.add(
            [1, 1.1, 2, 2.1, 3, 3.1].map(seconds), every: 500, from: 0, startedAt: at(0),
            secondsBefore: 0, end: (3_000, 3.2))
        #expect(timeline.points.map(\.connections) == [0, 1_000, 2_000, 3_000])
        #expect(timeline.points.map { ($0.seconds * 10).rounded() } == [0, 11, 21, 32])
    }

    @Test("the pauses between the steps are left out")
    func steps() {
        var timeline = RampTimeline()
        timeline.add([], every: 1_000, from: 0, startedAt: at(0), secondsBefore: 0, end: (1_000, 1))
        timeline.add(
            [seconds(61)], every: 1_000, from: 1_000, startedAt: at(60_000), secondsBefore: 1,
            end: (2_500, 1.5))
        #expect(timeline.points.map(\.connections) == [0, 1_000, 2_000, 2_500])
        #expect(timeline.points.map { ($0.seconds * 10).rounded() } == [0, 10, 20, 25])
    }

    @Test("a fifth at each end of a small run is compared")
    func fifths() {
        var timeline = RampTimeline()
        let marks = (1...10).map { seconds($0 <= 5 ? Double($0) : Double(2 * $0 - 5)) }
        timeline.add(
            marks, every: 1_000, from: 0, startedAt: at(0), secondsBefore: 0, end: (10_000, 15))
        timeline.finish()
        #expect(timeline.partConnections == 2_000)
        #expect(timeline.firstPartPerSecond == 1_000)
        #expect(timeline.lastPartPerSecond == 500)
        #expect(timeline.lastToFirstRatio == 0.5)
    }

    @Test("100,000 at each end of a large run are compared")
    func large() {
        var timeline = RampTimeline()
        timeline.add(
            [], every: 1_000, from: 0, startedAt: at(0), secondsBefore: 0, end: (900_000, 9))
        timeline.add(
            [], every: 1_000, from: 900_000, startedAt: at(0), secondsBefore: 9,
            end: (1_000_000, 2))
        timeline.finish()
        #expect(timeline.partConnections == 100_000)
        #expect(timeline.firstPartPerSecond == 100_000)
        #expect(timeline.lastPartPerSecond == 50_000)
    }

    @Test("fewer than 5,000 connections say nothing")
    func tooFew() {
        var timeline = RampTimeline()
        timeline.add([], every: 1_000, from: 0, startedAt: at(0), secondsBefore: 0, end: (4_999, 1))
        timeline.finish()
        #expect(timeline.lastToFirstRatio == nil)
    }

    @Test("a ramp that ended where it began does no harm")
    func empty() {
        var timeline = RampTimeline()
        timeline.finish()
        timeline.add([], every: 1_000, from: 0, startedAt: at(0), secondsBefore: 0, end: (0, 0))
        timeline.finish()
        #expect(timeline.lastToFirstRatio == nil)
    }
}

@Suite struct MemorySlopeTests {
    private func step(_ connections: Int, user: Int?) -> StepResult {
        var step = StepResult(connections: connections)
        step.serverUserBytes = user
        step.clientUserBytes = user.map { _ in 0 }
        return step
    }

    @Test("what was there at the start does not count as a connection's")
    func slope() throws {
        let steps = [1_000, 2_000, 5_000].map { step($0, user: 7_000_000 + 100 * $0) }
        let slope = try #require(MemorySlope(steps).userBytesPerConnection)
        #expect(abs(slope - 100) < 1e-6)
    }

    @Test("steps without the figure are left out")
    func missing() {
        let steps = [step(1_000, user: 5), step(2_000, user: nil)]
        #expect(MemorySlope(steps).userBytesPerConnection == nil)
        #expect(MemorySlope(steps).kernelBytesPerConnection == nil)
    }

    @Test("one step, or steps at one place, have no slope")
    func one() {
        #expect(MemorySlope([step(1_000, user: 5)]).userBytesPerConnection == nil)
        #expect(
            MemorySlope([step(7, user: 5), step(7, user: 6)]).userBytesPerConnection == nil)
    }
}
