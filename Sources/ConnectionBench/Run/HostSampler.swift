// The thread that watches the host while a run goes on, and holds the run back.

import ConnectionEngine
import Glibc
import Synchronization

/// The host at one moment of a run.
public struct HostSample: Codable, Sendable {
    public var seconds: Double
    public var connections: Int
    public var level: String
    public var memoryUsableBytes: Int
    public var memoryFreeBytes: Int
    public var controlGroupLeftBytes: Int?
    /// `some` and `full avg10` of /proc/pressure/memory, `some` of cpu, in percent.
    public var memoryPressureSome: Double?
    public var memoryPressureFull: Double?
    public var processorPressureSome: Double?
    /// The longest that the sampler woke too late since the sample before.
    public var delaySeconds: Double
    public var threads: Int?
    public var systemFiles: Int?
    public var timeWait: Int?
    public var tcpMemoryPages: Int?
    public var conntrack: Int?
    /// nstat(8)'s telling counters that moved since the sample before, by side.
    public var server: [String: Int]
    public var client: [String: Int]
}

/// Reads memory 20 times a second and everything else once, judges, and sets the clients' pace.
///
/// It is a thread of its own so that a busy or stuck run is held back all the same, and so that its
/// own lateness says how well the host still serves others. `black` is carried out here: the
/// processes are killed, whose end gives all memory back.
final class HostSampler: Sendable {
    struct State: Sendable {
        var judgement = Governor.Judgement()
        var transitions: [GovernorTransition] = []
        var samples: [HostSample] = []
        var usableMin = Int.max
        var usableBytes = Int.max
        var delayMax = 0.0
        /// Processor seconds of the sampler itself.
        var ownSeconds = 0.0
        var elapsedSeconds = 0.0
        /// What made the sampler kill the processes; `nil`: it has not.
        var killedBy: Governor.Judgement?
        var before = EventCounts()
    }

    /// What the kernel had counted before the run, since the boot or a group's birth.
    struct EventCounts: Sendable {
        var controlGroupMemory: Int?
        var conntrackDrops: Int?
    }

    /// What is watched: known once the processes run.
    struct Target: Sendable {
        let board: Scoreboard
        let clientRows: Range<Int>
        let serverRows: Range<Int>
        let serverPids: [Int32]
        let clientPids: [Int32]
        let serverPid: Int32
        let clientPid: Int32
        let sharesNetwork: Bool

        var pids: [Int32] { serverPids + clientPids }
    }

    static let fastNanoseconds: UInt64 = 50_000_000
    /// A sample per second, and of a long run every second, fourth, … of them.
    private static let samplesMax = 1_200

    let limits: GovernorLimits
    private let events: RunBroadcast
    private let baseline: UsableMemory
    private let controlGroup: ControlGroupLimit?
    private let state = Mutex(State())
    private let target = Mutex<Target?>(nil)
    private let isStopping = Atomic<Bool>(false)
    private let isHeld = Atomic<Bool>(false)

    init(
        limits: GovernorLimits, baseline: UsableMemory, controlGroup: ControlGroupLimit?,
        events: RunBroadcast
    ) {
        self.limits = limits
        self.events = events
        self.baseline = baseline
        self.controlGroup = controlGroup
    }

    /// Everything so far.
    var current: State { state.withLock { $0 } }

    /// The latest judgement alone: cheap enough for every turn of the run.
    var judgement: Governor.Judgement { state.withLock { $0.judgement } }
    var usableBytes: Int { state.withLock { $0.usableBytes } }
    var hasKilled: Bool { killedBy != nil }
    var killedBy: Governor.Judgement? { state.withLock { $0.killedBy } }
    var before: EventCounts { state.withLock { $0.before } }

    func watch(_ target: Target?) {
        self.target.withLock { $0 = target }
    }

    func start() throws(SystemError) -> BackgroundThread {
        try BackgroundThread("host-sampler") { [self] in run() }
    }

    /// No connect may be started from now on, whatever the memory is.
    func holdConnects(_ hold: Bool) {
        isHeld.store(hold, ordering: .releasing)
        if hold { target.withLock { $0 }?.board[.connectsPerSecond] = -1 }
    }

    func stop() {
        isStopping.store(true, ordering: .releasing)
    }

    // MARK: On its thread

    private func run() {
        var governor = Governor(limits)
        var files = SamplerFiles(controlGroup: controlGroup)
        let hostFiles = HostFiles(root: "")
        let before = EventCounts(
            controlGroupMemory: ControlGroup(files: hostFiles).memoryEvents(),
            conntrackDrops: Conntrack.drops(hostFiles))
        state.withLock { $0.before = before }
        let startedAt = MonotonicTime.now
        var wakeAt = startedAt
        var sampledAt = MonotonicTime.zero
        var longestDelay = 0.0
        var sampleSeconds: UInt64 = 1
        var meter = IntervalMeter()
        var toldAt = MonotonicTime.now
        while !isStopping.load(ordering: .acquiring) {
            let now = MonotonicTime.now
            let delay = now.seconds(since: wakeAt)
            longestDelay = max(longestDelay, delay)
            step(&governor, files, startedAt, now, delay)
            if now.nanoseconds(since: sampledAt) >= sampleSeconds * 1_000_000_000 {
                sampledAt = now
                sample(&files, startedAt, now, longestDelay)
                longestDelay = 0
                let isFull = state.withLock { thin(&$0.samples) }
                if isFull { sampleSeconds *= 2 }
            }
            if !events.isEmpty, now.nanoseconds(since: toldAt) >= 1_000_000_000 {
                toldAt = now
                tell(&meter, startedAt, now)
            }
            wakeAt = MonotonicTime.now.advanced(byNanoseconds: HostSampler.fastNanoseconds)
            usleep(UInt32(HostSampler.fastNanoseconds / 1_000))
        }
    }

    /// An interval for those who follow the run; without them nothing of it is read.
    private func tell(
        _ meter: inout IntervalMeter, _ startedAt: MonotonicTime, _ now: MonotonicTime
    ) {
        var interval = meter.read(
            target.withLock { $0 }, events.currentPhase, startedAt: startedAt, now: now,
            floorBytes: limits.floorBytes)
        let (judgement, usable) = state.withLock { ($0.judgement, $0.usableBytes) }
        interval.memoryUsableBytes = usable == .max ? nil : usable
        interval.governor = judgement.level.name
        interval.governorPace = isHeld.load(ordering: .acquiring) ? -1 : judgement.pace
        events.send(.interval(interval))
    }

    /// Of a long run every second sample is enough.
    private func thin(_ samples: inout [HostSample]) -> Bool {
        guard samples.count >= HostSampler.samplesMax else { return false }
        samples = stride(from: 0, to: samples.count, by: 2).map { samples[$0] }
        return true
    }

    private func step(
        _ governor: inout Governor, _ files: SamplerFiles, _ startedAt: MonotonicTime,
        _ now: MonotonicTime, _ delay: Double
    ) {
        guard let memory = files.memory() else { return }
        let target = target.withLock { $0 }
        let connections = target.map { $0.board.sum(.open, rows: $0.clientRows) } ?? 0
        var reading = GovernorReading(
            usableBytes: memory.usableBytes(since: baseline, connections: connections))
        reading.controlGroupLeft = files.controlGroupLeft()
        reading.memoryPressure = files.memoryPressure().full
        reading.delaySeconds = delay
        let judgement = governor.judge(reading)
        target?.board[.connectsPerSecond] =
            isHeld.load(ordering: .acquiring) ? -1 : judgement.pace
        let own = ProcessClock.ofThisThread
        let mustKill = state.withLock { state in
            let isNewCause =
                judgement.level != .green && judgement.trigger != state.judgement.trigger
            if judgement.level != state.judgement.level || isNewCause {
                state.transitions.append(
                    GovernorTransition(
                        from: state.judgement.level.name, to: judgement.level.name,
                        trigger: judgement.trigger ?? state.judgement.trigger ?? .memory,
                        text: judgement.text.isEmpty ? "back within bounds" : judgement.text,
                        seconds: now.seconds(since: startedAt), connections: connections))
            }
            state.judgement = judgement
            state.usableBytes = reading.usableBytes
            state.usableMin = min(state.usableMin, reading.usableBytes)
            state.delayMax = max(state.delayMax, delay)
            state.ownSeconds = own
            state.elapsedSeconds = now.seconds(since: startedAt)
            let mustKill = judgement.level == .black && target != nil && state.killedBy == nil
            if mustKill { state.killedBy = judgement }
            return mustKill
        }
        if mustKill { for pid in target?.pids ?? [] { kill(pid, SIGKILL) } }
    }

    private func sample(
        _ files: inout SamplerFiles, _ startedAt: MonotonicTime, _ now: MonotonicTime,
        _ delay: Double
    ) {
        files.refresh()
        let target = target.withLock { $0 }
        guard let memory = files.memory() else { return }
        let connections = target.map { $0.board.sum(.open, rows: $0.clientRows) } ?? 0
        let pressure = files.memoryPressure()
        let network = target.flatMap { files.network($0) }
        let sample = HostSample(
            seconds: now.seconds(since: startedAt), connections: connections,
            level: judgement.level.name,
            memoryUsableBytes: memory.usableBytes(since: baseline, connections: connections),
            memoryFreeBytes: memory.freeBytes, controlGroupLeftBytes: files.controlGroupLeft(),
            memoryPressureSome: pressure.some, memoryPressureFull: pressure.full,
            processorPressureSome: files.processorPressure(), delaySeconds: delay,
            threads: files.threads(), systemFiles: files.systemFiles(),
            timeWait: network?.timeWait, tcpMemoryPages: network?.tcpMemoryPages,
            conntrack: files.conntrack(), server: network?.server ?? [:],
            client: network?.client ?? [:])
        state.withLock { $0.samples.append(sample) }
    }
}
