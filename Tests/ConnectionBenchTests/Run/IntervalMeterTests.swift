// One second of a run: totals since the start, rates and latencies of the second alone.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

@Suite struct IntervalMeterTests {
    private static func target(_ board: Scoreboard) -> HostSampler.Target {
        HostSampler.Target(
            board: board, clientRows: 1..<3, serverRows: 0..<1, serverPids: [getpid()],
            clientPids: [], serverPid: getpid(), clientPid: getpid(), sharesNetwork: true)
    }

    @Test("rates are of the interval, totals are not")
    func rates() throws {
        let board = try Scoreboard(rowCount: 3)
        let start = MonotonicTime(nanoseconds: 1_000_000_000)
        var meter = IntervalMeter()
        let phase = RunPhaseStart(seconds: 0, phase: .ramp, target: 500)
        func read(after seconds: UInt64) -> RunInterval {
            meter.read(
                Self.target(board), phase, startedAt: start,
                now: start.advanced(byNanoseconds: seconds * 1_000_000_000), floorBytes: 7)
        }
        board.row(1)[.opened] = 100
        board.row(2)[.opened] = 50
        board.row(1)[.open] = 90
        board.row(2)[.open] = 50
        board.row(0)[.open] = 139
        board.row(1)[.closed] = 10
        let first = read(after: 1)
        #expect(first.seconds == 1 && first.phase == .ramp && first.target == 500)
        #expect(first.connections == 140 && first.serverConnections == 139)
        #expect(first.connectsPerSecond == 150 && first.closesPerSecond == 10)
        #expect(first.p50Nanoseconds == nil && first.memoryFloorBytes == 7)

        board.row(1)[.opened] = 300
        board.row(2)[.echoes] = 40
        for _ in 0..<40 { board.row(2).latency.record(2_000_000) }
        let second = read(after: 3)
        #expect(second.elapsedSeconds == 2)
        #expect(second.totals.opened == 350 && second.connectsPerSecond == 100)
        #expect(second.closesPerSecond == 0 && second.echoesPerSecond == 20)
        #expect(second.p99Nanoseconds.map { abs(Double($0) / 2e6 - 1) < 0.07 } == true)
        #expect(second.totals.serverProcessorSeconds > 0)
        #expect(second.totals.clientProcessorSeconds == 0)
        #expect(second.machineBusyShare.map { (0...1).contains($0) } ?? true)
    }

    @Test("before there are processes an interval has the phase and nothing more")
    func noTarget() {
        var meter = IntervalMeter()
        let interval = meter.read(
            nil, RunPhaseStart(seconds: 0, phase: .calibrate), startedAt: .now, now: .now,
            floorBytes: 0)
        #expect(interval.phase == .calibrate && interval.connections == 0)
        #expect(interval.totals == RunTotals())
    }

    @Test("processor time is known of a running process, and of none that has ended")
    func processorTime() {
        #expect(ProcessClock.seconds(of: getpid()).map { $0 >= 0 } == true)
        #expect(ProcessClock.seconds(of: Int32.max) == nil)
    }

    @Test("every observer hears every event, in order")
    func broadcast() {
        final class Listener: RunObserver {
            let phases = Locked<[RunPhase]>([])
            func observe(_ event: RunEvent) {
                if case .phase(let start) = event { phases.withLock { $0.append(start.phase) } }
            }
        }
        let listeners = [Listener(), Listener()]
        let events = RunBroadcast(listeners, startedAt: .now)
        #expect(!events.isEmpty && events.currentPhase.phase == .prepare)
        events.begin(.ramp, target: 5)
        events.begin(.hold)
        for listener in listeners { #expect(listener.phases.withLock { $0 } == [.ramp, .hold]) }
        #expect(events.currentPhase.phase == .hold && events.currentPhase.target == nil)
        #expect(RunBroadcast([], startedAt: .now).isEmpty)
    }
}
