// Processor time of one phase: of servers, clients and the whole machine.

import ConnectionEngine

/// Reads all clocks at its making, and again at the end of the phase.
struct PhaseMeter {
    private var startedAt: MonotonicTime
    private var server: ProcessUsage
    private var client: ProcessUsage
    private var machine: MachineUsage?

    init(_ group: ProcessGroup) {
        server = ProcessUsage.sum(of: group.serverPids).usage
        client = ProcessUsage.sum(of: group.clientPids).usage
        machine = try? MachineUsage.read()
        startedAt = .now
    }

    /// Counts processor time from now on; switches, which take a file for each thread, from the
    /// making on.
    mutating func restart(_ group: ProcessGroup) {
        // One that has ended keeps its old time: the next check names it.
        if let seconds = ProcessClock.seconds(of: group.serverPids) {
            server.processorSeconds = seconds
        }
        if let seconds = ProcessClock.seconds(of: group.clientPids) {
            client.processorSeconds = seconds
        }
        machine = try? MachineUsage.read()
        startedAt = .now
    }

    /// A process that has ended counts with what it used up to the start only.
    func read(_ group: ProcessGroup) -> ProcessorUse {
        var use = ProcessorUse()
        use.elapsedSeconds = MonotonicTime.now.seconds(since: startedAt)
        if let machine, let now = try? MachineUsage.read() { use.machine = now.since(machine) }
        let server = ProcessUsage.sum(of: group.serverPids).usage.since(self.server)
        let client = ProcessUsage.sum(of: group.clientPids).usage.since(self.client)
        use.serverSeconds = max(0, server.processorSeconds)
        use.clientSeconds = max(0, client.processorSeconds)
        use.serverSwitches = max(0, server.voluntarySwitches + server.involuntarySwitches)
        use.clientSwitches = max(0, client.voluntarySwitches + client.involuntarySwitches)
        return use
    }
}

/// Notices that a figure has not changed for too long.
struct StallWatch {
    private let limitNanoseconds: UInt64
    private var value = -1
    private var changedAt = MonotonicTime.now

    init(seconds: Double) {
        limitNanoseconds = UInt64(seconds * 1e9)
    }

    /// - Returns: for how many seconds it has not changed, once that is too long.
    mutating func check(_ value: Int) -> Double? {
        let now = MonotonicTime.now
        if value != self.value {
            self.value = value
            changedAt = now
        } else if now.nanoseconds(since: changedAt) > limitNanoseconds {
            return now.seconds(since: changedAt)
        }
        return nil
    }

    /// Somebody holds it: that is no stall.
    mutating func touch() {
        changedAt = .now
    }
}
