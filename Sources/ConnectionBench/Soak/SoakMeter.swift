// Reads everything that a soak is judged by, at a pause of its load.

import ConnectionEngine
import Glibc

/// Of one run, on its thread.
final class SoakMeter {
    private let run: Run
    private let group: ProcessGroup
    private let state: SoakState
    private let share: ConnectionShare
    private var lagBefore: LiveLatency.Counts
    private var networkBefore: NetworkCounters?
    private var machineBefore: MachineUsage?
    private let lostBefore: Int
    private let wrongBefore: Int
    private var lostSeen = 0
    private var wrongSeen = 0
    private var lookedAt = MonotonicTime.now
    /// At the newest look something did not add up.
    private var isBroken = false

    /// Given so long, what is on its way has come: an end that the other side has not heard of, a
    /// thread that has not ended.
    private static let settleSeconds = 5.0

    init(_ run: Run, _ group: ProcessGroup, _ state: SoakState) {
        self.run = run
        self.group = group
        self.state = state
        let masksDirect = run.plan.maskedFeatures.contains("directDescriptors")
        let lacksDirect = group.layout.fallbacks.contains { $0.contains("direct") }
        share = ConnectionShare(
            backend: group.layout.backend, isDirect: !masksDirect && !lacksDirect)
        lagBefore = group.board.latency(rows: group.serverRows)
        networkBefore = run.network.asServer { try? NetworkCounters.read() }
        machineBefore = try? MachineUsage.read()
        lostBefore = group.board.sum(.lost, rows: group.clientRows)
        wrongBefore = group.board.sum(.wrong, rows: group.clientRows)
    }

    // MARK: Looks

    /// A look at the end of a slice, which also makes a sample.
    func look(_ load: SliceLoad, held: Int) throws {
        let when = "at \(LiveTable.seconds(state.seconds))"
        var reading = SoakReading()
        reading.load = load
        noteLosses(&reading.load, when: when)
        reading.counts = try settled(held: held, when: when)
        reading.servers = group.servers.map { Self.named($0) }
        reading.clients = group.clients.map { Self.named($0) }
        reading.tool = ProcessReading(of: getpid())
        reading.kernel = try KernelMemory.read()
        let now = MonotonicTime.now
        reading.elapsedSeconds = now.seconds(since: lookedAt)
        lookedAt = now
        let lag = group.board.latency(rows: group.serverRows)
        reading.serverLag = lag.since(lagBefore)
        lagBefore = lag
        readNetwork(&reading)
        readMachine(&reading)
        state.append(reading)
    }

    /// The exact part alone.
    func lookAtCounts(held: Int, when: String) throws {
        _ = try settled(held: held, when: when)
    }

    /// Of sockets only those of this run are meant: in a network of its own all, else those on the
    /// ports that it listened on, which no other program could have.
    func lookAtSockets() {
        var failure: String?
        do {
            let deadline = deadline
            var left = try socketsLeft()
            while left > 0, MonotonicTime.now < deadline, !run.watch.wasInterruptedTwice {
                run.watch.sleep(milliseconds: 20)
                left = try socketsLeft()
            }
            if left > 0 { failure = "\(Count.format(left)) TCP sockets are left" }
        } catch {
            failure = "the sockets could not be listed: \(error)"
        }
        state.check([.sockets], failures: failure.map { [.sockets: $0] } ?? [:], when: "at the end")
    }

    /// In a network of its own all TCP sockets; else the servers' connections, by their ports.
    private func socketsLeft() throws -> Int {
        if run.network.isOwn {
            let server = try run.network.asServer { try SocketStatistics.read().tcpInUse }
            let client = try run.network.asClient { try SocketStatistics.read().tcpInUse }
            return run.network.isShared ? server : server + client
        }
        let ports = group.layout.listening.compactMap { SocketAddress($0)?.port }
        let diagnosis = try SocketDiagnosis()
        var count = 0
        // One in TIME_WAIT belongs to nobody any more.
        let states = TCPState.all.subtracting([.timeWait, .listen])
        for port in ports { try diagnosis.forEach(in: states, localPort: port) { _ in count += 1 } }
        return count
    }

    /// What the board says, for a slice that was cut short too.
    func noteTotals() {
        state.load.closesUnasked =
            group.board.sum(.lost, rows: group.clientRows) - lostBefore
        state.load.wrongAnswers =
            group.board.sum(.wrong, rows: group.clientRows) - wrongBefore
    }

    private func noteLosses(_ load: inout SliceLoad, when: String) {
        noteTotals()
        load.lost = state.load.closesUnasked - lostSeen
        load.wrong = state.load.wrongAnswers - wrongSeen
        lostSeen = state.load.closesUnasked
        wrongSeen = state.load.wrongAnswers
        var failures: [SoakCheck.Kind: String] = [:]
        if load.lost > 0 {
            let causes = state.load.losses.keys.sorted().joined(separator: ", ")
            failures[.closes] = "\(Count.format(load.lost)) ended (\(causes))"
        }
        if load.wrong > 0 { failures[.answers] = "\(Count.format(load.wrong)) were wrong" }
        state.check([.closes, .answers], failures: failures, when: when)
    }

    // MARK: Counts

    private var deadline: MonotonicTime {
        MonotonicTime.now.advanced(byNanoseconds: UInt64(Self.settleSeconds * 1e9))
    }

    /// Counts until all adds up, or for too long; and notes whether it did.
    private func settled(held: Int, when: String) throws -> SoakCounts {
        guard let base = state.base else { return SoakCounts() }
        // What did not add up at the look before will not now: the load shall go on.
        let deadline = isBroken ? MonotonicTime.now : deadline
        var counts = try counts(held: held)
        var failures = counts.failures(held: held, base: base, share)
        while !failures.isEmpty, MonotonicTime.now < deadline {
            run.watch.sleep(milliseconds: 5)
            try run.watch.check(group.children)
            counts = try self.counts(held: held)
            failures = counts.failures(held: held, base: base, share)
        }
        isBroken = !failures.isEmpty
        state.check(SoakCounts.kinds, failures: failures, when: when)
        return counts
    }

    /// Asking for the counters gives each worker a turn, in which it tells its newest figures.
    func counts(held: Int) throws -> SoakCounts {
        let engines = try group.counters()
        var counts = SoakCounts()
        counts.server = side(group.servers, group.serverRows, engines.server)
        counts.client = side(group.clients, group.clientRows, engines.client)
        var record = StepResult(connections: held)
        run.count(&record, group)
        counts.kernel = record.kernelCount
        // Other programs have sockets in this network too. To list all takes a second for a million,
        // so it is done only when the cheap count does not fit.
        if counts.kernel != held, !run.network.isOwn, let listed = try? socketsLeft() {
            counts.kernel = listed
        }
        return counts
    }

    private func side(
        _ processes: [ChildProcess], _ rows: Range<Int>, _ counters: Counters
    ) -> SideCounts {
        let readings = processes.map { ProcessReading(countsOf: $0.pid) }
        return SideCounts(
            open: group.board.sum(.open, rows: rows),
            slots: group.board.sum(.slotsInUse, rows: rows),
            buffers: group.board.sum(.buffersInUse, rows: rows),
            descriptors: ProcessReading.sum(readings.map(\.descriptors)),
            threads: ProcessReading.sum(readings.map(\.threads)), rings: Int(counters.rings))
    }

    // MARK: The rest

    private static func named(_ child: ChildProcess) -> SoakReading.Named {
        SoakReading.Named(name: child.name, reading: ProcessReading(of: child.pid))
    }

    private func readNetwork(_ reading: inout SoakReading) {
        guard let now = run.network.asServer({ try? NetworkCounters.read() }) else { return }
        reading.sockets = now.sockets
        if let networkBefore { reading.network = now.since(networkBefore).tellingChanges }
        networkBefore = now
        // With a cable between them TIME_WAIT is on the client's side.
        if !run.network.isShared {
            reading.sockets = run.network.asClient { try? SocketStatistics.read() }
        }
    }

    private func readMachine(_ reading: inout SoakReading) {
        guard let now = try? MachineUsage.read() else { return }
        if let machineBefore {
            let use = now.since(machineBefore)
            reading.stealPercent = 100 * use.stealSeconds / max(use.totalSeconds, 1e-9)
        }
        machineBefore = now
    }
}
