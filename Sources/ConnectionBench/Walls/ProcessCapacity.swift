// How many connections one process can hold under its limit of open files.

import ConnectionEngine
import Glibc

/// Exact where the engine's layout is known, see `Configuration.connectionCapacity`.
public struct ProcessCapacity: Codable, Hashable, Sendable {
    /// The hard limit of open files, to which a run raises the soft one; `nil`: unknown.
    let descriptorLimit: Int?
    /// Connections that one process holds; `nil`: unknown.
    let connections: Int?
    let formula: String

    public init(descriptorLimit: Int?, connections: Int?, formula: String) {
        self.descriptorLimit = descriptorLimit
        self.connections = connections
        self.formula = formula
    }

    /// A rule of thumb, without an engine.
    init(_ facts: HostFacts, _ backend: BackendKind) {
        descriptorLimit = Self.openFiles(facts)
        guard let hard = descriptorLimit else {
            connections = nil
            formula = "unknown"
            return
        }
        let usable = max(0, hard - Preflight.spareDescriptors)
        let table = min(hard, Preflight.ringTableMax)
        let kept = "\(Count.format(hard)) - \(Preflight.spareDescriptors) spare"
        if backend == .uring {
            connections = usable * table
            formula = "(\(kept)) rings x \(Count.format(table)) direct descriptors"
        } else {
            connections = usable
            formula = "(\(kept)) sockets"
        }
    }

    /// What the engine of one process can hold, with `workers` workers that share evenly.
    init(_ plan: RunPlan, _ facts: HostFacts, _ backend: BackendKind, workers: Int) {
        guard let limit = Self.openFiles(facts) else {
            self.init(facts, backend)
            return
        }
        // A worker may hold any number: what bounds it here is the descriptors.
        let setup = EngineSetup(plan, backend, workers: workers, connections: 1 << 26)
        let inUse = Self.inheritedDescriptors(below: limit)
        let listen = (0..<workers).map { _ in SocketAddress.loopback(port: 0) }
        let server = setup.configuration(listen: listen)
            .connectionCapacity(descriptorLimit: limit, descriptorsInUse: inUse)
        let client = setup.configuration(listen: [])
            .connectionCapacity(descriptorLimit: limit, descriptorsInUse: inUse)
        let isServer = server.accepting <= client.connecting
        let unit =
            backend == .uring
            ? "rings of \(Count.format(min(limit, Int(Limits().ringSlots)))) direct descriptors"
            : "sockets, one descriptor each"
        self.init(
            descriptorLimit: limit, connections: min(server.accepting, client.connecting),
            formula: "a \(isServer ? "server" : "client") holds"
                + " \(Count.format(min(server.accepting, client.connecting))) (\(unit);"
                + " \(inUse) open beforehand, \(workers) worker(s))")
    }

    /// What a child of this process has open before its engine: what it inherits, the control
    /// channel and the scoreboard. One that lies above the limit takes nothing of it.
    private static func inheritedDescriptors(below limit: Int) -> Int {
        var numbers: Set<CInt> = [ChildMain.controlFD, ChildMain.scoreboardFD]
        for name in (try? TextFile.names(in: "/proc/self/fd")) ?? [] {
            guard let fd = CInt(name), fd < limit else { continue }
            let flags = fcntl(fd, F_GETFD)
            // The descriptor that lists the directory is closed again.
            if flags >= 0, flags & FD_CLOEXEC == 0 { numbers.insert(fd) }
        }
        return numbers.count
    }

    /// The hard limit of open files; the kernel allows none above fs.nr_open.
    static func openFiles(_ facts: HostFacts) -> Int? {
        switch facts.openFilesHard {
        case nil: nil
        case .at(let limit): limit
        case .unlimited: facts.openFilesPerProcessMax
        }
    }

    /// - Parameter isDirect: connections take no descriptors, see ARCHITECTURE.md.
    func wall(isDirect: Bool, processesMax: Int) -> [Wall] {
        guard let descriptorLimit, let connections else { return [] }
        let other = max(Preflight.spareDescriptors, descriptorLimit - connections)
        let demand =
            isDirect ? nil : Demand(taken: other, perConnection: 1, parts: processesMax)
        return [
            Wall(
                resource: .descriptors, connectionsMax: connections * processesMax,
                limit: descriptorLimit, origin: "RLIMIT_NOFILE (hard)",
                formula: "\(formula) x \(processesMax) processes per side", demand: demand)
        ]
    }

    /// Connections of one process, by mappings too where each has a thread.
    func bounds(_ facts: HostFacts, _ backend: BackendKind) -> Int? {
        var bounds = [connections].compactMap { $0 }
        if backend == .threads, let maps = facts.mapsPerProcessMax {
            bounds.append(Preflight.threadsPerProcess(maps: maps))
        }
        return bounds.min()
    }
}
