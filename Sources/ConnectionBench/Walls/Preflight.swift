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
    /// Every wall that is known, the nearest first. Never empty.
    public let walls: [Wall]
    public let cost: ConnectionCost
    public let memoryAvailableBytes: Int
    /// Available memory below which a run must stop.
    public let floorBytes: Int
    /// Sockets that one process can hold; `nil` when unknown, or without limit for this backend.
    public let socketsPerProcess: Int?
    /// Threads of the machine, as read; 0 when unknown.
    private let threadsUsed: Int
    private let systemFilesUsed: Int

    /// - Parameters:
    ///   - memoryAvailableBytes: `MemAvailable`, read now.
    ///   - portCapacity: ``TuplePlan/capacity`` of the plan to be run.
    ///   - floorBytes: available memory at which the run will stop; `nil`: the default.
    public init(
        facts: HostFacts, memoryAvailableBytes: Int, backend: BackendKind, portCapacity: Int,
        floorBytes: Int? = nil
    ) {
        self.backend = backend
        self.memoryAvailableBytes = memoryAvailableBytes
        cost = ConnectionCost(backend)
        let floorBytes = floorBytes ?? Self.floorBytes(memoryTotalBytes: facts.memoryTotalBytes)
        self.floorBytes = floorBytes
        socketsPerProcess = Self.socketsPerProcess(facts, backend)
        threadsUsed = facts.threadsUsed ?? 0
        systemFilesUsed = facts.systemFilesUsed ?? 0

        var walls = [
            Self.ports(portCapacity),
            Self.memory(available: memoryAvailableBytes, floor: floorBytes, cost: cost),
        ]
        walls += Self.controlGroupMemory(facts, cost)
        walls += Self.files(facts, backend)
        if backend == .epoll { walls += Self.epollWatches(facts) }
        if backend == .threads { walls += Self.threads(facts) }
        self.walls = walls.sorted { $0.connectionsMax < $1.connectionsMax }
    }

    /// The wall that is met first.
    public var binding: Wall { walls[0] }

    /// One line for each wall before `connections`, the nearest first; empty when all is well.
    public func refusals(for connections: Int) -> [String] {
        walls.filter { $0.connectionsMax < connections }.map { wall in
            "\(backend.rawValue) cannot hold \(Count.format(connections)) connections: "
                + "\(wall.origin) is \(wall.limitText) and allows "
                + "\(Count.format(wall.connectionsMax)) (\(wall.formula)). "
                + "Remedy: \(remedy(for: wall, connections: connections))"
        }
    }

    /// Processes that each side needs; `nil` when no number of them suffices.
    ///
    /// Where the limits are unknown the answer is 1, and the run meets the wall.
    public func processesPerSide(for connections: Int) -> Int? {
        guard let perProcess = socketsPerProcess, connections > 0 else { return 1 }
        guard perProcess > 0 else { return nil }
        let count = (connections + perProcess - 1) / perProcess
        return count <= Self.processesPerSideMax ? count : nil
    }

    /// Memory that must stay available: 8 % of the machine's, at least 1 GiB.
    public static func floorBytes(memoryTotalBytes: Int?) -> Int {
        max(1 << 30, (memoryTotalBytes ?? 0) / 100 * 8)
    }
}

// MARK: - The walls

extension Preflight {
    private static func ports(_ capacity: Int) -> Wall {
        Wall(
            resource: .ports, connectionsMax: capacity, limit: capacity, origin: "the tuple plan",
            formula: "source addresses x usable ports, each pair once")
    }

    private static func memory(available: Int, floor: Int, cost: ConnectionCost) -> Wall {
        let each = cost.bytesPerConnection
        return Wall(
            resource: .memory, connectionsMax: max(0, available - floor) / each, limit: available,
            origin: "MemAvailable of /proc/meminfo",
            formula: "\(Count.format(bytes: available)) less a floor of "
                + "\(Count.format(bytes: floor)), by \(Count.format(each)) B per connection")
    }

    private static func controlGroupMemory(_ facts: HostFacts, _ cost: ConnectionCost) -> [Wall] {
        guard let group = facts.controlGroupMemory, let limit = group.limit.value,
            let left = group.left
        else { return [] }
        let each = cost.bytesPerConnection - ConnectionCost.unchargedBytes
        return [
            Wall(
                resource: .controlGroupMemory, connectionsMax: left / each, limit: limit,
                origin: group.path,
                formula: "\(Count.format(bytes: left)) left, by \(Count.format(each)) B per "
                    + "connection that are charged")
        ]
    }

    private static func files(_ facts: HostFacts, _ backend: BackendKind) -> [Wall] {
        var walls: [Wall] = []
        if let hard = openFiles(facts) {
            let usable = max(0, hard - spareDescriptors)
            let table = min(hard, ringTableMax)
            let isRing = backend == .uring
            let kept = "\(Count.format(hard)) - \(spareDescriptors) spare"
            walls.append(
                Wall(
                    resource: .descriptors,
                    connectionsMax: usable * (isRing ? table : processesPerSideMax),
                    limit: hard, origin: "RLIMIT_NOFILE (hard)",
                    formula: isRing
                        ? "(\(kept)) rings x \(Count.format(table)) direct descriptors"
                        : "(\(kept)) sockets x \(processesPerSideMax) processes per side"))
        }
        // The kernel lets CAP_SYS_ADMIN pass this limit; direct descriptors do count.
        if let limit = facts.systemFilesMax, let used = facts.systemFilesUsed,
            facts.hasSystemAdmin != true
        {
            walls.append(
                Wall(
                    resource: .systemFiles, connectionsMax: max(0, limit - used) / 2, limit: limit,
                    origin: "/proc/sys/fs/file-max",
                    formula: "\(Count.format(used)) in use, 2 files per connection"))
        }
        return walls
    }

    private static func epollWatches(_ facts: HostFacts) -> [Wall] {
        guard let limit = facts.epollWatchesMax else { return [] }
        return [
            Wall(
                resource: .epollWatches, connectionsMax: limit / 2, limit: limit,
                origin: "/proc/sys/fs/epoll/max_user_watches",
                formula: "2 watches per connection")
        ]
    }

    /// Each connection has a thread at both ends; all processes share the system's threads.
    private static func threads(_ facts: HostFacts) -> [Wall] {
        var walls: [Wall] = []
        func add(
            _ resource: Wall.Resource, _ limit: Int?, less used: Int?, _ origin: String,
            reserved: Int = 0
        ) {
            guard let limit, let used else { return }
            let kept = reserved > 0 ? "\(reserved) reserved, " : ""
            walls.append(
                Wall(
                    resource: resource, connectionsMax: max(0, limit - reserved - used) / 2,
                    limit: limit, origin: origin,
                    formula: "\(kept)\(Count.format(used)) in use, 2 threads per connection"))
        }
        let used = facts.threadsUsed
        add(
            .processIDs, facts.pidMax, less: used, "/proc/sys/kernel/pid_max",
            reserved: reservedPids)
        add(.systemThreads, facts.threadsMax, less: used, "/proc/sys/kernel/threads-max")
        if let group = facts.controlGroupPids {
            add(.controlGroupThreads, group.limit.value, less: group.used, group.path)
        }
        // The user's threads are at most all threads. Privileged users are not limited.
        if facts.hasSystemAdmin != true, facts.hasSystemResource != true {
            add(.userThreads, facts.userThreadsSoft?.value, less: used, "RLIMIT_NPROC (soft)")
        }
        if let limit = facts.mapsPerProcessMax {
            walls.append(
                Wall(
                    resource: .memoryMaps,
                    connectionsMax: threadsPerProcess(maps: limit) * processesPerSideMax,
                    limit: limit, origin: "/proc/sys/vm/max_map_count",
                    formula: "(\(Count.format(limit)) - \(Count.format(spareMaps))) by "
                        + "\(mapsPerThread) maps per thread, x \(processesPerSideMax) processes"))
        }
        return walls
    }

    /// The hard limit of open files; the kernel allows none above fs.nr_open.
    private static func openFiles(_ facts: HostFacts) -> Int? {
        switch facts.openFilesHard {
        case nil: nil
        case .at(let limit): limit
        case .unlimited: facts.openFilesPerProcessMax
        }
    }

    private static func threadsPerProcess(maps: Int) -> Int {
        Int(Double(max(0, maps - spareMaps)) / mapsPerThread)
    }

    private static func socketsPerProcess(_ facts: HostFacts, _ backend: BackendKind) -> Int? {
        guard backend != .uring else { return nil }
        var bounds = openFiles(facts).map { [max(0, $0 - spareDescriptors)] } ?? []
        if backend == .threads, let maps = facts.mapsPerProcessMax {
            bounds.append(threadsPerProcess(maps: maps))
        }
        return bounds.min()
    }
}

// MARK: - The remedies

extension Preflight {
    /// The highest value that the kernel accepts for kernel.pid_max: PID_MAX_LIMIT.
    private static let pidMaxLimit = 4_194_304

    /// What would make room for `connections`, as a command where there is one.
    func remedy(for wall: Wall, connections: Int) -> String {
        let ends = 2 * connections
        let perProcess = (connections + Self.processesPerSideMax - 1) / Self.processesPerSideMax
        switch wall.resource {
        case .ports:
            return "add source addresses or widen the port range"
        case .descriptors:
            return raiseOpenFiles(perProcess: perProcess, connections: connections)
        case .memoryMaps:
            let maps = Int((Double(perProcess) * Self.mapsPerThread).rounded(.up)) + Self.spareMaps
            return "sysctl -w vm.max_map_count=\(maps)"
        case .systemFiles:
            return "sysctl -w fs.file-max=\(ends + systemFilesUsed)"
        case .epollWatches:
            return "sysctl -w fs.epoll.max_user_watches=\(ends)"
        case .processIDs:
            let needed = ends + threadsUsed + Self.reservedPids
            return needed <= Self.pidMaxLimit
                ? "sysctl -w kernel.pid_max=\(needed), or a backend without threads"
                : "a backend without threads; kernel.pid_max ends at "
                    + Count.format(Self.pidMaxLimit)
        case .systemThreads:
            return "sysctl -w kernel.threads-max=\(ends + threadsUsed)"
        case .userThreads:
            return "ulimit -u \(ends + threadsUsed)"
        case .controlGroupThreads:
            return "allow the container or unit \(Count.format(ends)) more threads "
                + "(systemd: TasksMax=, docker: --pids-limit)"
        case .memory:
            let needed = connections * cost.bytesPerConnection + floorBytes
            return "free \(Count.format(bytes: needed - memoryAvailableBytes)), or at most "
                + "\(Count.format(wall.connectionsMax)) connections"
        case .controlGroupMemory:
            return "raise the memory limit of the container or unit (systemd: MemoryMax=, "
                + "docker: --memory), or at most \(Count.format(wall.connectionsMax)) connections"
        }
    }

    private func raiseOpenFiles(perProcess: Int, connections: Int) -> String {
        guard backend == .uring else {
            let needed = perProcess + Self.spareDescriptors
            return "ulimit -Hn \(needed) (systemd: LimitNOFILE=), or --backend uring"
        }
        // With r descriptors for rings and r slots in each there is room for r x r connections.
        let rings = Int(Double(connections).squareRoot().rounded(.up))
        return "ulimit -Hn \(rings + Self.spareDescriptors) (systemd: LimitNOFILE=)"
    }
}
