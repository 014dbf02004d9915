// A preflight from the machine as it is now.

import ConnectionEngine

extension Preflight {
    /// Reads what changes from moment to moment. On a thread that is in the clients' network.
    ///
    /// - Parameter workers: of one process, each with a listener.
    static func read(
        _ plan: RunPlan, facts: HostFacts, backend: BackendKind, workers: Int,
        sources: SourceNetwork, calibration: Calibration?
    ) throws -> Preflight {
        let facts = facts.refreshed()
        return Preflight(
            facts: facts, memoryAvailableBytes: try KernelMemory.memAvailable(), backend: backend,
            ports: try ports(plan, facts, listeners: (plan.processes ?? 1) * workers, sources),
            floorBytes: plan.memoryFloorBytes, processesMax: plan.processes,
            capacity: ProcessCapacity(plan, facts, backend, workers: workers),
            calibration: calibration, workers: workers)
    }

    private static func ports(
        _ plan: RunPlan, _ facts: HostFacts, listeners: Int, _ sources: SourceNetwork
    ) throws -> PortCapacity {
        if plan.sourcePorts != .planned, let first = facts.localPortFirst,
            let last = facts.localPortLast, first <= last
        {
            let taken = try PortsInUse.count(in: first...last)
            let chosen = PortCapacity(
                plan.sourcePorts, facts: facts, listeners: listeners,
                listenersInRange: plan.port == 0 || (first...last).contains(Int(plan.port)),
                taken: taken)
            if let chosen { return chosen }
        }
        let range = SourceRange(
            seed: plan.seed, ports: SourceRange.ports(plan, facts),
            excluding: try ListeningPorts.read(), addressesMax: plan.sourceAddresses,
            network: sources)
        // Any port stands in for the destinations': planned ones lie outside of theirs.
        return PortCapacity(
            planned: try TuplePlan(
                connections: 0, sources: range, destinations: [.loopback(port: 1)]))
    }
}

/// Local ports that sockets of this network namespace have.
enum PortsInUse {
    /// Above so many sockets the look through /proc/net/tcp would take seconds.
    private static let socketsMax = 200_000

    /// How many ports of a range are in use by any TCP socket; 0 where there are too many to look.
    static func count(in range: ClosedRange<Int>) throws(FileError) -> Int {
        guard try SocketStatistics.read().tcpInUse <= socketsMax else { return 0 }
        var ports: Set<Int> = []
        for name in ["tcp", "tcp6"] {
            let path = "\(NetworkFolder.path(of: nil))/\(name)"
            let text: String
            do {
                text = try TextFile.read(path)
            } catch let error where error.isMissing && name == "tcp6" {
                continue
            }
            ports.formUnion(try parse(text, path: path).filter { range.contains($0) })
        }
        return ports.count
    }

    /// The local ports of a table such as /proc/net/tcp, which begins with a line of titles.
    static func parse(_ text: String, path: String) throws(FileError) -> Set<Int> {
        var ports: Set<Int> = []
        for line in text.split(separator: "\n").dropFirst() {
            let columns = line.split(separator: " ", maxSplits: 2)
            guard columns.count == 3, let colon = columns[1].lastIndex(of: ":"),
                let port = UInt16(columns[1][columns[1].index(after: colon)...], radix: 16)
            else { throw FileError(path: path, expected: "an address and port in '\(line)'") }
            ports.insert(Int(port))
        }
        return ports
    }
}
