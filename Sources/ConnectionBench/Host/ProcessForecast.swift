// How many more connections a running server can take, and what stops it first.

/// A prediction from the facts of one moment, for clients on other machines.
///
/// A limit that is unknown has no place in the ranking and is named in `unknowns`.
public struct ProcessForecast: Codable, Hashable, Sendable {
    /// How the server waits for its connections: it decides what each of them costs.
    public enum Waiting: String, Codable, Sendable {
        case epoll
        case ioUring
        case threadPerConnection
        case unknown
    }

    /// Kernel memory of one end of a connection, and what waiting for it takes. Measured on Linux
    /// 6.18, see ``ConnectionCost``; a server's own memory comes on top.
    static let socketBytes = 3_829
    static let epollItemBytes = 208
    static let ringPollBytes = 256
    static let threadBytes = 34_000
    /// With fewer connections a number of threads near theirs says nothing.
    static let threadsToldFrom = 16

    public let waiting: Waiting
    /// Connections that it holds now; `nil` when its sockets are unknown.
    public let established: Int?
    public let bytesPerConnection: Int
    /// The nearest first.
    public let limits: [ProcessLimit]
    /// Whether the limit that a server meets most often could be judged: without it the ranking is
    /// no answer.
    public let judgesFiles: Bool
    /// What could not be judged, and why.
    public let unknowns: [String]
    public let notes: [String]

    public var binding: ProcessLimit? { limits.first }

    /// - Parameter memoryAvailableBytes: `MemAvailable`, read now; `nil` when unknown.
    public init(_ facts: ProcessFacts, host: HostFacts, memoryAvailableBytes: Int?) {
        let waiting = Self.waiting(facts)
        self.waiting = waiting
        established = facts.network.value?.own[.established]
        let waitingBytes =
            switch waiting {
            case .epoll: Self.epollItemBytes
            case .ioUring, .unknown: Self.ringPollBytes
            case .threadPerConnection: Self.threadBytes
            }
        bytesPerConnection = Self.socketBytes + waitingBytes

        var ranking = Ranking(facts: facts, host: host, bytesPerConnection: bytesPerConnection)
        ranking.addFiles()
        if waiting == .epoll { ranking.addWatches() }
        if waiting == .threadPerConnection { ranking.addThreads() }
        ranking.addMemory(available: memoryAvailableBytes)
        ranking.addConntrack()
        limits = ranking.limits.sorted { $0.connectionsMore < $1.connectionsMore }
        unknowns = ranking.unknowns
        judgesFiles =
            facts.openFilesSoft.value == .unlimited
            || limits.contains { [.descriptors, .directDescriptors].contains($0.resource) }
        notes = ForecastNotes(facts: facts, waiting: waiting).lines
    }

    private static func waiting(_ facts: ProcessFacts) -> Waiting {
        guard let descriptors = facts.descriptors.value else { return .unknown }
        let established = facts.network.value?.own[.established] ?? 0
        if descriptors.directSocketCount > 0 { return .ioUring }
        let watches = descriptors.epolls.reduce(0) { $0 + ($1.watches.value ?? established) }
        if watches > 0, watches >= established / 2 { return .epoll }
        if let threads = facts.threads.value, established >= threadsToldFrom,
            abs(threads - established) <= max(8, established / 5)
        {
            return .threadPerConnection
        }
        if !descriptors.rings.isEmpty { return .ioUring }
        return descriptors.epolls.isEmpty ? .unknown : .epoll
    }
}

// MARK: - The limits

private struct Ranking {
    let facts: ProcessFacts
    let host: HostFacts
    let bytesPerConnection: Int
    var limits: [ProcessLimit] = []
    var unknowns: [String] = []

    init(facts: ProcessFacts, host: HostFacts, bytesPerConnection: Int) {
        self.facts = facts
        self.host = host
        self.bytesPerConnection = bytesPerConnection
    }

    private mutating func add(
        _ resource: ProcessLimit.Resource, more: Int, limit: Int, file: String, formula: String,
        remedy: String
    ) {
        limits.append(
            ProcessLimit(
                resource: resource, connectionsMore: max(0, more), limit: limit, file: file,
                formula: formula, remedy: remedy))
    }

    /// Adds a limit of which each connection takes one; a number that is missing is said.
    private mutating func addCount(
        _ resource: ProcessLimit.Resource, limit: Int?, used: Int?, file: String,
        usedText: String = "in use", reserved: Int = 0, remedy: String
    ) {
        guard let limit else { return unknowns.append("\(file) cannot be read") }
        guard let used else {
            return unknowns.append("\(file): how much of it is in use cannot be read")
        }
        let kept = reserved > 0 ? " - \(reserved) reserved" : ""
        add(
            resource, more: limit - used - reserved, limit: limit, file: file,
            formula: "\(Count.format(limit)) - \(Count.format(used)) \(usedText)\(kept)",
            remedy: remedy)
    }

    mutating func addFiles() {
        addDescriptors()
        guard facts.hasSystemAdmin != true else { return }
        addCount(
            .systemFiles, limit: host.systemFilesMax, used: host.systemFilesUsed,
            file: "/proc/sys/fs/file-max",
            remedy: "sysctl -w fs.file-max=\(2 * (host.systemFilesMax ?? 0))")
    }

    private mutating func addDescriptors() {
        let rings = facts.descriptors.value?.rings ?? []
        let unread = rings.compactMap(\.directSockets.reason)
        if let reason = unread.first {
            unknowns.append(
                "sockets inside of \(unread.count) of its \(rings.count) io_uring instances: "
                    + reason)
        }
        if let descriptors = facts.descriptors.value, descriptors.directSocketCount > 0 {
            guard unread.isEmpty else { return }
            let places = descriptors.directPlaceCount
            add(
                .directDescriptors, more: places - descriptors.directSocketCount, limit: places,
                file: "/proc/\(facts.pid)/fdinfo",
                formula: "\(Count.format(places)) - \(Count.format(descriptors.directSocketCount)) "
                    + "in use",
                remedy: "a setting of the server: larger tables, or more io_uring instances")
            return
        }
        switch (facts.openFilesSoft, facts.descriptorsFree) {
        case (.unknown(let reason), _):
            unknowns.append("how many open files it may have: \(reason)")
        case (.known(let soft), .unknown(let reason)):
            let most = soft.value.map { Count.format($0) } ?? "any number"
            unknowns.append("how many open files it has (it may have \(most)): \(reason)")
        case (.known(.unlimited), _): break
        case (.known(.at(let soft)), .known(let free)):
            add(
                .descriptors, more: free, limit: soft, file: "/proc/\(facts.pid)/limits",
                formula: "\(Count.format(soft)) - \(Count.format(soft - free)) in use",
                remedy: raiseOpenFiles(soft: soft))
        }
    }

    /// Up to the hard limit its own user may raise it, above that root, up to fs.nr_open.
    private func raiseOpenFiles(soft: Int) -> String {
        let command = "prlimit --pid \(facts.pid) --nofile="
        let lasting = "; to last: LimitNOFILE= of its systemd unit"
        let ceiling = host.openFilesPerProcessMax ?? soft
        let hard = facts.openFilesHard.value.map { $0.value ?? ceiling } ?? soft
        if hard > soft { return "\(command)\(hard):\(hard)\(lasting)" }
        let wanted = max(65_536, 2 * soft)
        guard wanted > ceiling else { return "as root: \(command)\(wanted):\(wanted)\(lasting)" }
        guard ceiling > soft else {
            return "as root: sysctl -w fs.nr_open=\(wanted), then "
                + "\(command)\(wanted):\(wanted)\(lasting)"
        }
        return "as root: \(command)\(ceiling):\(ceiling)\(lasting)"
    }

    /// Other processes of the user may have watches too; the kernel does not tell how many.
    mutating func addWatches() {
        let epolls = facts.descriptors.value?.epolls ?? []
        let known = epolls.compactMap(\.watches.value)
        let used =
            known.count == epolls.count
            ? known.reduce(0, +) : facts.network.value?.own.total
        addCount(
            .epollWatches, limit: host.epollWatchesMax, used: used,
            file: "/proc/sys/fs/epoll/max_user_watches",
            usedText: "of this process, and those of its user's others",
            remedy: "sysctl -w fs.epoll.max_user_watches=\(2 * (host.epollWatchesMax ?? 0))")
    }

    mutating func addThreads() {
        if facts.hasUnlimitedThreads != true, facts.userThreadsSoft.value != .unlimited {
            let limit = facts.userThreadsSoft.value?.value
            addCount(
                .userThreads, limit: limit, used: facts.userThreads.value,
                file: "/proc/\(facts.pid)/limits",
                remedy: "prlimit --pid \(facts.pid) --nproc=\(2 * (limit ?? 0))")
        }
        if let group = facts.controlGroupPids.value {
            if let limit = group.limit.value {
                addCount(
                    .controlGroupThreads, limit: limit, used: group.used, file: group.path,
                    remedy: "echo \(2 * limit) >\(group.path) (systemd: TasksMax=, docker: "
                        + "--pids-limit)")
            }
        } else if let reason = facts.controlGroupPids.reason {
            unknowns.append("threads of its control group: \(reason)")
        }
        addCount(
            .processIDs, limit: host.pidMax, used: host.threadsUsed,
            file: "/proc/sys/kernel/pid_max", reserved: Preflight.reservedPids,
            remedy: "sysctl -w kernel.pid_max=4194304")
        addCount(
            .systemThreads, limit: host.threadsMax, used: host.threadsUsed,
            file: "/proc/sys/kernel/threads-max",
            remedy: "sysctl -w kernel.threads-max=\(2 * (host.threadsMax ?? 0))")
        addMaps()
    }

    private mutating func addMaps() {
        let file = "/proc/sys/vm/max_map_count"
        guard let limit = host.mapsPerProcessMax else {
            return unknowns.append("\(file) cannot be read")
        }
        guard case .known(let used) = facts.memoryMaps else {
            return unknowns.append("memory areas: \(facts.memoryMaps.reason ?? "")")
        }
        let each = Preflight.mapsPerThread
        add(
            .memoryMaps, more: Int(Double(limit - used) / each), limit: limit, file: file,
            formula: "(\(Count.format(limit)) - \(Count.format(used)) in use) by \(each) of a "
                + "thread",
            remedy: "sysctl -w vm.max_map_count=\(2 * limit)")
    }

    mutating func addMemory(available: Int?) {
        let each = "by \(Count.format(bytesPerConnection)) B each"
        if let available {
            let floor = Preflight.floorBytes(memoryTotalBytes: host.memoryTotalBytes)
            add(
                .memory, more: (available - floor) / bytesPerConnection, limit: available,
                file: "/proc/meminfo",
                formula: "(\(Count.format(bytes: available)) available - "
                    + "\(Count.format(bytes: floor)) kept free) \(each)",
                remedy: "more memory, or other programs with less")
        } else {
            unknowns.append("/proc/meminfo cannot be read")
        }
        guard let group = facts.controlGroupMemory.value else {
            unknowns.append(
                "memory of its control group: \(facts.controlGroupMemory.reason ?? "")")
            return
        }
        guard let limit = group.limit.value else { return }
        guard let left = group.left else {
            return unknowns.append("\(group.path): how much of it is in use cannot be read")
        }
        // cgroup v1 does not charge the accepted socket itself, see ``ConnectionCost``.
        let isFirstVersion = group.path.hasSuffix("limit_in_bytes")
        let charged = bytesPerConnection - (isFirstVersion ? ConnectionCost.unchargedBytes : 0)
        add(
            .controlGroupMemory, more: left / charged, limit: limit, file: group.path,
            formula: "\(Count.format(bytes: left)) left by \(Count.format(charged)) B each",
            remedy: "echo \(2 * limit) >\(group.path) (systemd: MemoryMax=, docker: --memory)")
    }

    /// Only where the firewall does track: a table that stays empty beside connections is unused.
    mutating func addConntrack() {
        guard facts.network.value?.origin == SocketTable.originOwn, let used = host.conntrackCount,
            used > 0, let limit = host.conntrackMax
        else { return }
        addCount(
            .conntrack, limit: limit, used: used, file: "/proc/sys/net/netfilter/nf_conntrack_max",
            remedy: "sysctl -w net.netfilter.nf_conntrack_max=\(2 * limit)")
    }
}
