// What the machine allows before anything is started: each wall as a number of connections.

import ConnectionEngine

/// The walls in front of a run with both ends on this machine.
///
/// Assumes that the soft limit of open files is raised to the hard one, which needs no privilege.
/// A limit that could not be read has no wall here; the run itself meets and names it.
public struct Preflight: Codable, Hashable, Sendable {
    /// Descriptors of a process that are not sockets: standard streams, rings, eventfds, files.
    static let spareDescriptors = 64
    /// Processes on each side beyond which a run would measure the scheduler.
    static let processesPerSideMax = 512
    /// Slots of a ring's table of direct descriptors: IORING_MAX_FIXED_FILES.
    static let ringTableMax = 1 << 20
    /// The kernel hands out no pid below this after the first round: RESERVED_PIDS.
    static let reservedPids = 300
    /// Mappings of a process before its first connection thread, generously.
    static let spareMaps = 1_000
    /// Mappings of a pthread: stack, guard page, and now and then a malloc arena. Measured.
    static let mapsPerThread = 2.01

    public let backend: BackendKind
    /// Processes that each side may have at most.
    let processesMax: Int
    /// Every wall that is known, the nearest first. Never empty.
    public let walls: [Wall]
    public let cost: ConnectionCost
    public let memoryAvailableBytes: Int
    /// Available memory below which a run must stop.
    public let floorBytes: Int
    /// Of the memory of a connection, the part for the many processes; 0 where one holds all.
    let processShareBytes: Int
    /// Sockets that one process can hold; `nil` when unknown, or without limit for this backend.
    public let socketsPerProcess: Int?
    /// What a wider range of the kernel's ports would give; `nil` unless it chooses them.
    let portWidening: PortWidening?

    /// - Parameters:
    ///   - memoryAvailableBytes: `MemAvailable`, read now.
    ///   - ports: what the sources and destinations of the run allow.
    ///   - floorBytes: available memory at which the run will stop; `nil`: the default.
    ///   - processesMax: processes per side that the run may have; `nil`: as many as make sense.
    ///   - capacity: what one process can hold; `nil`: a rule of thumb.
    ///   - calibration: what a connection was measured to cost here; `nil`: a table.
    ///   - workers: of each process; they are threads too.
    public init(
        facts: HostFacts, memoryAvailableBytes: Int, backend: BackendKind, ports: PortCapacity,
        floorBytes: Int? = nil, processesMax: Int? = nil, capacity: ProcessCapacity? = nil,
        calibration: Calibration? = nil, workers: Int = 1
    ) {
        self.backend = backend
        self.memoryAvailableBytes = memoryAvailableBytes
        let processesMax = processesMax ?? Self.processesPerSideMax
        self.processesMax = processesMax
        cost = ConnectionCost(backend, calibration: calibration)
        let floorBytes = floorBytes ?? Self.floorBytes(memoryTotalBytes: facts.memoryTotalBytes)
        self.floorBytes = floorBytes
        let capacity = capacity ?? ProcessCapacity(facts, backend)
        socketsPerProcess = capacity.bounds(facts, backend)
        portWidening = PortWidening(ports, facts)

        processShareBytes = Self.processShare(
            left: memoryAvailableBytes - floorBytes - cost.fixedBytes, cost: cost,
            perProcess: socketsPerProcess)
        var walls = [
            ports.wall,
            Self.memory(
                available: memoryAvailableBytes, floor: floorBytes, cost: cost,
                share: processShareBytes, perProcess: socketsPerProcess),
        ]
        walls += Self.controlGroupMemory(facts, cost)
        walls += capacity.wall(isDirect: backend == .uring, processesMax: processesMax)
        walls += Self.systemFiles(facts)
        walls += Self.conntrack(facts, calibration)
        if backend == .epoll { walls += Self.epollWatches(facts) }
        if backend == .threads {
            walls += Self.threads(facts, processesMax: processesMax, workers: workers)
        }
        for index in walls.indices {
            walls[index].connectionsKept = HostSafety.connectionsKept(before: walls[index])
        }
        self.walls = walls.sorted { $0.connectionsSafe < $1.connectionsSafe }
    }

    /// What the sources and destinations allow.
    var portCapacity: Int? { walls.first { $0.resource == .ports }?.connectionsMax }

    /// The wall that is met first.
    public var binding: Wall { walls[0] }

    /// Connections that a calibration may have at most: it shall meet no wall, not even that of the
    /// firewall's table, of which nothing is known before it.
    func roomForCalibration(_ facts: HostFacts) -> Int {
        guard let limit = facts.conntrackMax, let used = facts.conntrackCount else {
            return binding.connectionsSafe
        }
        return min(binding.connectionsSafe, max(0, limit - used) / 2)
    }

    /// One line for each wall before `connections`, the nearest first; empty when all is well.
    public func refusals(for connections: Int) -> [String] {
        refusing(connections).map { refusal(by: $0, of: connections) }
    }

    func refusal(by wall: Wall, of connections: Int) -> String {
        "\(backend.rawValue) cannot hold \(Count.format(connections)) connections: "
            + "\(wall.origin) is \(wall.limitText) and allows "
            + "\(Count.format(wall.connectionsMax)) (\(wall.formula)). "
            + "Remedy: \(remedy(for: wall, connections: connections))"
    }

    /// Processes that each side needs; `nil` when no number of them suffices.
    ///
    /// Where the limits are unknown the answer is 1, and the run meets the wall.
    public func processesPerSide(for connections: Int) -> Int? {
        guard let perProcess = socketsPerProcess, connections > 0 else { return 1 }
        guard perProcess > 0 else { return nil }
        let count = (connections + perProcess - 1) / perProcess
        return count <= processesMax ? count : nil
    }

    /// Memory that must stay available: 8 % of the machine's, at least 1 GiB.
    public static func floorBytes(memoryTotalBytes: Int?) -> Int {
        max(1 << 30, (memoryTotalBytes ?? 0) / 100 * 8)
    }
}

// MARK: - The walls

extension Preflight {
    private static func memory(
        available: Int, floor: Int, cost: ConnectionCost, share: Int, perProcess: Int?
    ) -> Wall {
        let each = cost.bytesPerConnection + share
        let left = available - floor - cost.fixedBytes
        let words =
            share > 0 ? ", \(share) of it for a process to \(Count.format(perProcess ?? 0))" : ""
        return Wall(
            resource: .memory, connectionsMax: max(0, left) / each, limit: available,
            origin: "MemAvailable of /proc/meminfo",
            formula: "\(Count.format(bytes: available)) less a floor of "
                + "\(Count.format(bytes: floor))\(ConnectionCost.text(fixed: cost.fixedBytes)), by \(Count.format(each)) B per "
                + "connection\(words)")
    }

    /// Where a process holds few, the processes themselves are a part of each connection's price.
    /// They were measured with a worker for each processor; of many each has one.
    private static func processShare(
        left: Int, cost: ConnectionCost, perProcess: Int?
    ) -> Int {
        guard let perProcess, perProcess > 0, left / cost.bytesPerConnection > perProcess else {
            return 0
        }
        return cost.fixedBytes / ProcessGroup.workers(processes: 1) / perProcess
    }

    private static func controlGroupMemory(_ facts: HostFacts, _ cost: ConnectionCost) -> [Wall] {
        guard let group = facts.controlGroupMemory, let limit = group.limit.value,
            let left = group.left
        else { return [] }
        let each = cost.chargedBytesPerConnection
        let floor = GovernorLimits.controlGroupFloor(limit: limit)
        return [
            Wall(
                resource: .controlGroupMemory,
                connectionsMax: max(0, left - floor - cost.chargedFixedBytes) / each, limit: limit,
                origin: group.path,
                formula: "\(Count.format(bytes: left)) left, less a floor of "
                    + "\(Count.format(bytes: floor))\(ConnectionCost.text(fixed: cost.chargedFixedBytes)), by \(Count.format(each)) B "
                    + "per connection that are charged")
        ]
    }

    private static func systemFiles(_ facts: HostFacts) -> [Wall] {
        var walls: [Wall] = []
        // The kernel lets CAP_SYS_ADMIN pass this limit; direct descriptors do count.
        if let limit = facts.systemFilesMax, let used = facts.systemFilesUsed,
            facts.hasSystemAdmin != true
        {
            walls.append(
                Wall(
                    .systemFiles, limit: limit, origin: "/proc/sys/fs/file-max",
                    formula: "\(Count.format(used)) in use, 2 files per connection",
                    Demand(taken: used, perConnection: 2)))
        }
        return walls
    }

    /// Only where the calibration has seen entries of its own.
    private static func conntrack(_ facts: HostFacts, _ calibration: Calibration?) -> [Wall] {
        guard let limit = facts.conntrackMax, let used = facts.conntrackCount,
            let each = calibration?.conntrackEntriesPerConnection, each > 0
        else { return [] }
        return [
            Wall(
                .conntrack, limit: limit, origin: "/proc/sys/net/netfilter/nf_conntrack_max",
                formula: "\(Count.format(used)) in use, \(Decimal1.text(each)) per connection",
                Demand(taken: used, perConnection: each))
        ]
    }

    private static func epollWatches(_ facts: HostFacts) -> [Wall] {
        guard let limit = facts.epollWatchesMax else { return [] }
        return [
            Wall(
                .epollWatches, limit: limit, origin: "/proc/sys/fs/epoll/max_user_watches",
                formula: "2 watches per connection", Demand(taken: 0, perConnection: 2))
        ]
    }

    /// Each connection has a thread at both ends; all processes share the system's threads.
    private static func threads(
        _ facts: HostFacts, processesMax: Int, workers: Int
    ) -> [Wall] {
        var walls: [Wall] = []
        // One process of each side; more of them add little to what they hold. Each has its main
        // thread and its workers, a server an acceptor for each of them, and the run itself a probe.
        let own = 2 + 3 * workers + 2
        func add(
            _ resource: Wall.Resource, _ limit: Int?, less used: Int?, _ origin: String,
            reserved: Int = 0
        ) {
            guard let limit, let used else { return }
            let kept = reserved > 0 ? "\(reserved) reserved, " : ""
            walls.append(
                Wall(
                    resource, limit: limit, origin: origin,
                    formula: "\(kept)\(Count.format(used)) in use, \(own) of the run itself, "
                        + "2 threads per connection",
                    Demand(taken: reserved + used + own, perConnection: 2)))
        }
        let used = facts.threadsUsed
        add(
            .processIDs, facts.pidMax, less: used, "/proc/sys/kernel/pid_max",
            reserved: reservedPids)
        add(.systemThreads, facts.threadsMax, less: used, "/proc/sys/kernel/threads-max")
        if let group = facts.controlGroupPids {
            add(.controlGroupThreads, group.limit.value, less: group.used, group.path)
        }
        // Privileged users are not limited.
        if facts.hasSystemAdmin != true, facts.hasSystemResource != true {
            add(
                .userThreads, facts.userThreadsSoft?.value, less: facts.userThreadsUsed,
                "RLIMIT_NPROC (soft)")
        }
        if let limit = facts.mapsPerProcessMax {
            walls.append(
                Wall(
                    .memoryMaps, limit: limit, origin: "/proc/sys/vm/max_map_count",
                    formula: "(\(Count.format(limit)) - \(Count.format(spareMaps))) by "
                        + "\(mapsPerThread) maps per thread, x \(processesMax) processes",
                    threadMaps(processes: processesMax)))
        }
        return walls
    }

    static func threadsPerProcess(maps: Int) -> Int {
        threadMaps(processes: 1).connections(within: maps)
    }

    private static func threadMaps(processes: Int) -> Demand {
        Demand(taken: spareMaps, perConnection: mapsPerThread, parts: processes)
    }
}

extension Wall {
    /// One of things that are counted.
    fileprivate init(
        _ resource: Resource, limit: Int, origin: String, formula: String, _ demand: Demand
    ) {
        self.init(
            resource: resource, connectionsMax: demand.connections(within: limit), limit: limit,
            origin: origin, formula: formula, demand: demand)
    }
}
