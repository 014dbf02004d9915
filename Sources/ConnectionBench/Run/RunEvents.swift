// What a run tells while it goes on: one seam for streams, metrics and live views.

import ConnectionEngine
import Synchronization

/// Hears of a run from its beginning to its end.
///
/// Called on the run's thread, intervals on the sampler's, which also guards the host: so it must
/// return at once, whatever becomes of its own reader.
public protocol RunObserver: AnyObject, Sendable {
    func observe(_ event: RunEvent)
}

public enum RunEvent: Sendable {
    /// The record as it is before the first look at the machine: tool, host, plan.
    case started(RunResult)
    case phase(RunPhaseStart)
    /// Once a second.
    case interval(RunInterval)
    /// A step is done, or ended early.
    case step(StepResult, seconds: Double)
    case warning(RunWarning, seconds: Double)
    /// All is closed, and this is the whole result.
    case ended(RunResult)
}

/// What a run is doing.
public enum RunPhase: String, Codable, CaseIterable, Sendable {
    /// A short run of a few thousand connections, to learn what one costs.
    case calibrate
    /// Looking at the machine, starting processes.
    case prepare
    case ramp, probe, sweep, hold
    case close
}

public struct RunPhaseStart: Codable, Hashable, Sendable {
    /// Since the start of the run.
    public var seconds: Double
    public var phase: RunPhase
    /// Connections that the phase goes up to, or works on; absent before the first ramp.
    public var target: Int?
}

/// One second of a run. Totals are since the start, rates and latencies of this interval alone.
public struct RunInterval: Codable, Hashable, Sendable {
    /// Since the start of the run.
    public var seconds: Double
    public var elapsedSeconds = 0.0
    public var phase: RunPhase
    public var target: Int?
    /// That exist now, on the client's and on the server's side, and connects on their way.
    public var connections = 0
    public var serverConnections = 0
    public var opening = 0
    public var totals = RunTotals()
    public var connectsPerSecond = 0.0
    public var closesPerSecond = 0.0
    public var echoesPerSecond = 0.0
    /// Of this interval's echoes, from the due time, within 6 %; absent without any.
    public var p50Nanoseconds: UInt64?
    public var p99Nanoseconds: UInt64?
    /// Processors that each side kept busy: 1.5 is one and a half.
    public var serverProcessors = 0.0
    public var clientProcessors = 0.0
    /// Part of all processors of the machine, 0 to 1.
    public var machineBusyShare: Double?
    public var memoryUsableBytes: Int?
    /// Where a climb ends.
    public var memoryFloorBytes: Int
    public var governor = GovernorLevel.green.name
    /// Connects per second that the governor allows; 0: all, -1: none.
    public var governorPace = 0

    init(seconds: Double, phase: RunPhase, target: Int?, memoryFloorBytes: Int) {
        self.seconds = seconds
        self.phase = phase
        self.target = target
        self.memoryFloorBytes = memoryFloorBytes
    }
}

/// What was counted since the start of a run.
public struct RunTotals: Codable, Hashable, Sendable {
    public var opened = 0
    public var closed = 0
    /// Connects that failed, and connections that ended though nobody asked.
    public var failed = 0
    public var lost = 0
    public var echoes = 0
    public var wrongAnswers = 0
    public var serverProcessorSeconds = 0.0
    public var clientProcessorSeconds = 0.0
}

/// Hands each event to all observers, and remembers the phase for those that come in between.
final class RunBroadcast: Sendable {
    private let observers: [any RunObserver]
    private let phase: Mutex<RunPhaseStart>
    private let startedAt: MonotonicTime

    init(_ observers: [any RunObserver], startedAt: MonotonicTime) {
        self.observers = observers
        self.startedAt = startedAt
        phase = Mutex(RunPhaseStart(seconds: 0, phase: .prepare))
    }

    /// Nobody listens: what is read for events alone need not be read.
    var isEmpty: Bool { observers.isEmpty }

    var currentPhase: RunPhaseStart { phase.withLock { $0 } }

    var seconds: Double { MonotonicTime.now.seconds(since: startedAt) }

    func begin(_ phase: RunPhase, target: Int? = nil) {
        let start = RunPhaseStart(seconds: seconds, phase: phase, target: target)
        self.phase.withLock { $0 = start }
        send(.phase(start))
    }

    func send(_ event: RunEvent) {
        for observer in observers { observer.observe(event) }
    }
}
