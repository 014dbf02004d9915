// All figures of a soak at one pause, each with its column in the table of samples.

import ConnectionEngine

/// What a column holds, and what it must keep.
public struct SoakColumn: Equatable, Sendable {
    public enum Unit: String, Codable, CaseIterable, Sendable {
        case bytes, count, nanoseconds, perSecond, percent, pages
    }

    let name: String
    let unit: Unit
    let merge: SampleTable.Merge
    /// `nil`: it is recorded, and not judged.
    let tolerance: SlopeTolerance?
}

/// One look.
struct SoakReading {
    struct Named {
        let name: String
        let reading: ProcessReading
    }

    var servers: [Named] = []
    var clients: [Named] = []
    var tool: ProcessReading?
    var counts = SoakCounts()
    var kernel: KernelMemory?
    var sockets: SocketStatistics?
    var load = SliceLoad()
    /// Of the servers' loops since the look before.
    var serverLag = LiveLatency.Counts()
    /// Kernel network counters since the look before, as in nstat(8).
    var network: [String: Int] = [:]
    /// Part of all processors that the hypervisor took, in percent.
    var stealPercent: Double?
    var elapsedSeconds = 0.0

    /// A column with its figure, always in the same order.
    typealias Figure = (column: SoakColumn, value: Double?)

    var figures: [Figure] {
        memory + counted + kernelFigures + loadFigures + troubles
    }

    private func figure(
        _ name: String, _ unit: SoakColumn.Unit, _ merge: SampleTable.Merge, _ value: Double?,
        _ tolerance: SlopeTolerance? = nil
    ) -> Figure {
        (SoakColumn(name: name, unit: unit, merge: merge, tolerance: tolerance), value)
    }

    private func level(
        _ name: String, _ unit: SoakColumn.Unit, _ value: Int?, _ tolerance: SlopeTolerance? = nil
    ) -> Figure {
        figure(name, unit, .mean, value.map { Double($0) }, tolerance)
    }

    private var memory: [Figure] {
        let processes = servers + clients
        return processes.map {
            level("\($0.name) memory", .bytes, $0.reading.residentBytes, .processMemory)
        } + [
            level("tool memory", .bytes, tool?.residentBytes),
            level("servers' proportional memory", .bytes, Self.proportional(servers)),
            level("clients' proportional memory", .bytes, Self.proportional(clients)),
        ]
    }

    private static func proportional(_ side: [Named]) -> Int? {
        ProcessReading.sum(side.map(\.reading.proportionalBytes))
    }

    private var counted: [Figure] {
        var figures: [Figure] = [level("connections by the kernel", .count, counts.kernel)]
        for (name, side) in [("server", counts.server), ("client", counts.client)] {
            figures += [
                level("\(name) connections", .count, side.open),
                level("\(name) slots in use", .count, side.slots),
                level("\(name) buffers in use", .count, side.buffers),
                level("\(name) descriptors", .count, side.descriptors),
                level("\(name) threads", .count, side.threads),
                level("\(name) rings", .count, side.rings),
            ]
        }
        return figures
    }

    private var kernelFigures: [Figure] {
        [
            // Objects in use are a finer measure than the pages that hold them.
            level(
                "kernel slab", .bytes, kernel.map { $0.objectBytes ?? $0.slabBytes }, .kernelMemory),
            level("kernel slab pages", .bytes, kernel?.slabBytes),
            level("memory available", .bytes, kernel?.availableBytes),
            level("TCP sockets in use", .count, sockets?.tcpInUse),
            level("TCP sockets orphaned", .count, sockets?.orphans),
            level("TCP sockets in TIME_WAIT", .count, sockets?.timeWait),
            level("TCP sockets allocated", .count, sockets?.allocated),
            level("TCP memory", .pages, sockets?.memoryPages),
        ]
    }

    private var loadFigures: [Figure] {
        let latency = load.latency
        func nanoseconds(_ value: UInt64) -> Double? { latency.count > 0 ? Double(value) : nil }
        return [
            figure(
                "echoes", .perSecond, .mean, Double(load.answered) / max(load.seconds, 1e-9)),
            figure("echo p50", .nanoseconds, .max, nanoseconds(latency.p50Nanoseconds)),
            figure("echo p99", .nanoseconds, .max, nanoseconds(latency.p99Nanoseconds)),
            figure("echo max", .nanoseconds, .max, nanoseconds(latency.maxNanoseconds)),
            figure(
                "server loop lag p99", .nanoseconds, .max,
                serverLag.value(atPercentile: 99).map { Double($0) }),
            figure(
                "server loop lag max", .nanoseconds, .max, serverLag.highest.map { Double($0) }),
            figure(
                "client loop lag max", .nanoseconds, .max,
                load.loopLag.count > 0 ? Double(load.loopLag.maxNanoseconds) : nil),
            figure("connections replaced", .count, .sum, Double(load.replaced)),
        ]
    }

    private var troubles: [Figure] {
        func changes(_ counter: String) -> Double { Double(network[counter, default: 0]) }
        return [
            figure("closes unasked", .count, .sum, Double(load.lost)),
            figure("wrong answers", .count, .sum, Double(load.wrong)),
            figure("requests unanswered", .count, .sum, Double(load.censored)),
            figure("connects failed", .count, .sum, Double(load.connectFailures)),
            figure("packets dropped", .count, .sum, changes("SoftnetDropped")),
            figure("accept queue overflows", .count, .sum, changes("TcpExtListenOverflows")),
            figure("SYN retransmits", .count, .sum, changes("TcpExtTCPSynRetrans")),
            figure("steal", .percent, .mean, stealPercent),
        ]
    }
}

/// The load between two pauses.
struct SliceLoad {
    /// In which requests were due.
    var seconds = 0.0
    var due = 0
    var sent = 0
    var answered = 0
    var censored = 0
    var retired = 0
    var replaced = 0
    var connectFailures = 0
    var lost = 0
    var wrong = 0
    var latency = LatencySummary()
    var loopLag = LatencySummary()
    /// The clients were the bottleneck; `nil`: cannot be told, or nothing was sent.
    var isClientBound: Bool?
}
