// The short run behind a calibration.

import ConnectionEngine

/// A calibration that failed; costs then come from a table.
struct CalibrationError: Error, CustomStringConvertible {
    let description: String
    var isInterrupted = false
}

extension Calibration {
    /// Connections of a calibration; threads are dear to make.
    private static func size(_ backend: BackendKind) -> Int {
        backend == .threads ? 1_000 : 6_000
    }

    /// Makes, measures and ends some connections, in processes of their own.
    ///
    /// - Parameters:
    ///   - plan: its buffers, isolation and masks are taken over.
    ///   - bound: what is predicted without a calibration; at most half of it is used.
    static func measure(
        _ backend: BackendKind, like plan: RunPlan, within bound: Int, tool: ToolFacts
    ) throws -> Calibration {
        let size = min(size(backend), bound / 2)
        guard size >= 20 else {
            throw CalibrationError(description: "there is room for \(bound) connections only")
        }
        let startedAt = MonotonicTime.now
        var small = plan
        small.raisesLimits = false
        small.backend = backend
        small.connections = size
        small.steps = [max(1, size / 6), size]
        small.climbsToWall = false
        small.untilWall = false
        small.ignoresWalls = true
        small.probeSeconds = 0
        small.load = LoadShape()
        small.holdSeconds = 0
        small.sweeps = true
        small.teardown = .reset
        small.connectsPerSecond = nil
        small.pacesAccepts = true
        small.backlog = nil
        // The run's own tuples stay fresh.
        small.seed = plan.seed &+ 0x5851_f42d
        let result = try Run(
            plan: small, tool: tool, commandLine: [], progress: RunProgress(isQuiet: true)
        ).perform()
        guard result.complete, let calibration = Calibration(result, backend, since: startedAt)
        else {
            throw CalibrationError(
                description: result.stopped?.message ?? "the short run told nothing",
                isInterrupted: result.stopped?.kind == .interrupted)
        }
        return calibration
    }

    private init?(_ result: RunResult, _ backend: BackendKind, since startedAt: MonotonicTime) {
        guard let first = result.steps.first, let last = result.steps.last,
            last.connections > first.connections, let memory = result.memory,
            let kernel = memory.kernelBytesPerConnection,
            let user = memory.userBytesPerConnection, let server = last.serverUserBytes,
            let client = last.clientUserBytes
        else { return nil }
        self.backend = backend
        connections = last.connections
        // In a few thousand connections pages tell little: caches may have free objects from before.
        let table = ConnectionCost(backend).bytesPerConnection
        if let before = first.kernelMemory?.objectBytes, let after = last.kernelMemory?.objectBytes
        {
            kernelBytesPerConnection = max(
                0, (after - before) / (last.connections - first.connections))
        } else {
            kernelBytesPerConnection = max(table, Int(kernel))
        }
        userBytesPerConnection = max(0, Int(user))
        fixedBytes = max(0, server + client - Int(user) * last.connections)
        if result.host.controlGroupMemory?.limit.value != nil,
            let before = first.controlGroupUsedBytes, let after = last.controlGroupUsedBytes
        {
            let charged = max(1, (after - before) / max(1, last.connections - first.connections))
            chargedBytesPerConnection = charged
            if let used = result.host.controlGroupMemory?.used {
                chargedFixedBytes = max(0, before - used - charged * first.connections)
            }
        }
        if let before = first.conntrackCount, let after = last.conntrackCount {
            let entries = Double(after - before) / Double(last.connections - first.connections)
            // Other programs' flows come and go; a tracked connection has one entry or two.
            conntrackEntriesPerConnection = entries < 0.5 ? 0 : entries
        }
        connectsPerSecond = last.connectsPerSecond
        if let machine = last.rampProcessor.machine, last.connectionsAdded > 0 {
            connectMicroseconds = machine.busySeconds * 1e6 / Double(last.connectionsAdded)
        }
        if let sweep = result.sweep, let machine = sweep.processor.machine,
            sweep.closedLoopLatency.count > 0
        {
            echoMicroseconds =
                machine.busySeconds * 1e6 / Double(sweep.closedLoopLatency.count)
        }
        seconds = MonotonicTime.now.seconds(since: startedAt)
    }
}
