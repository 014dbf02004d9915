// What the machine is and allows: the facts without which no result can be compared.

/// A `nil` is a fact that could not be read: unknown, never guessed.
public struct HostFacts: Codable, Hashable, Sendable {
    public var kernelRelease: String?
    public var kernelVersion: String?
    public var hostName: String?
    /// Of this program, `x86_64` or `arm64`.
    public var architecture: String?
    public var processorModel: String?
    public var processorsOnline: Int?
    /// How many of them this process may run on.
    public var processorsAllowed: Int?
    public var clockSource: String?
    /// `performance`, `schedutil`, …: the governors of all processors, most often one word. `nil`
    /// also where the hypervisor keeps the frequency to itself.
    public var frequencyGovernor: String?
    public var memoryTotalBytes: Int?
    /// The kernel's mitigations, which cost time at each entry: name of the vulnerability and the
    /// kernel's sentence about it.
    public var vulnerabilities: [String: String]?

    public var openFilesSoft: Ceiling?
    public var openFilesHard: Ceiling?
    /// RLIMIT_NPROC: threads of this user, not applied to a privileged one.
    public var userThreadsSoft: Ceiling?
    /// Threads of this user now; those of processes that /proc hides are not among them.
    public var userThreadsUsed: Int?
    /// fs.nr_open: the highest value that `openFilesHard` can be raised to.
    public var openFilesPerProcessMax: Int?
    /// fs.file-max, and how many of those files are open.
    public var systemFilesMax: Int?
    public var systemFilesUsed: Int?
    /// Of one user, fs.epoll.max_user_watches.
    public var epollWatchesMax: Int?

    public var pidMax: Int?
    public var threadsMax: Int?
    /// Threads of the whole machine at the time of reading.
    public var threadsUsed: Int?
    public var mapsPerProcessMax: Int?

    public var localPortFirst: Int?
    public var localPortLast: Int?
    /// A list such as `8080,9000-9010`; empty when none is reserved.
    public var localPortsReserved: String?
    public var somaxconn: Int?
    /// Buckets of the hash of established connections; negative: shared with the host's namespace.
    public var establishedHashEntries: Int?
    public var netdevMaxBacklog: Int?
    /// tcp_mem in pages: low, pressure, high.
    public var tcpMemoryPages: [Int]?
    public var timeWaitMax: Int?
    /// tcp_syn_linear_timeouts, since Linux 6.5.
    public var synLinearTimeouts: Int?
    public var orphansMax: Int?
    public var conntrackMax: Int?
    public var conntrackCount: Int?

    /// 0 allowed, 1 for privileged users, 2 for nobody. `nil` also before Linux 6.6.
    public var ioUringDisabled: Int?
    /// 0 none, 1 strict, 2 filter: a filter may forbid io_uring.
    public var seccompMode: Int?
    public var effectiveUser: Int?
    /// The effective capabilities, one bit each, see capabilities(7).
    public var capabilities: UInt64?
    public var controlGroupPids: ControlGroupLimit?
    public var controlGroupMemory: ControlGroupLimit?
    /// `docker` or `podman` when a marker file says so. `nil` proves nothing.
    public var containerHint: String?

    /// All unknown; for made-up machines.
    public init() {}

    /// Reads the facts of this machine. Never fails: what cannot be read stays `nil`.
    public static func read() -> HostFacts { HostFacts(reading: HostFiles(root: "")) }

    /// The same machine now: what changes from moment to moment is read again.
    func refreshed() -> HostFacts {
        let files = HostFiles(root: "")
        var facts = self
        facts.systemFilesUsed = files.integers("/proc/sys/fs/file-nr", count: 3)?[0]
        facts.threadsUsed = files.value("/proc/loadavg").flatMap(Self.threads(inLoadAverage:))
        facts.userThreadsUsed = Self.threads(ofUserOf: files)
        facts.conntrackCount = Conntrack.count()
        facts.controlGroupPids = ControlGroup(files: files).pids()
        facts.controlGroupMemory = ControlGroup(files: files).memory()
        return facts
    }

    /// True when fs.file-max and RLIMIT_NPROC do not bind us; `nil` when unknown.
    public var hasSystemAdmin: Bool? { hasCapability(21) }

    /// True when RLIMIT_NOFILE can be raised to `openFilesPerProcessMax`; `nil` when unknown.
    public var hasSystemResource: Bool? { hasCapability(24) }

    /// Capabilities decide; where they are not readable, user 0 stands for all of them.
    private func hasCapability(_ bit: UInt64) -> Bool? {
        if let capabilities { return capabilities >> bit & 1 == 1 }
        return effectiveUser.map { $0 == 0 }
    }
}

extension HostFacts {
    init(reading files: HostFiles) {
        readMachine(files)
        readLimits(files)
        readNetwork(files)
        readPermissions(files)
    }

    private mutating func readMachine(_ files: HostFiles) {
        kernelRelease = files.value("/proc/sys/kernel/osrelease")
        kernelVersion = files.value("/proc/sys/kernel/version")
        hostName = files.value("/proc/sys/kernel/hostname")
        architecture = Self.builtFor
        // Only x86 names its model; arm64 has numbers of implementer and part instead.
        processorModel = files.lines("/proc/cpuinfo")?["model name"].map(String.init)
        processorsOnline = files.value("/sys/devices/system/cpu/online").flatMap(Self.countOfList)
        processorsAllowed = files.lines("/proc/self/status")?["Cpus_allowed_list"]
            .flatMap { Self.countOfList(String($0)) }
        let clock = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
        clockSource = files.value(clock)
        frequencyGovernor = Self.frequencyGovernor(files)
        memoryTotalBytes = files.lines("/proc/meminfo")?.kibibytesIfPresent("MemTotal")

        let directory = "/sys/devices/system/cpu/vulnerabilities"
        vulnerabilities = files.names(in: directory).map { names in
            var sentences: [String: String] = [:]
            for name in names { sentences[name] = files.value("\(directory)/\(name)") }
            return sentences
        }
    }

    private mutating func readLimits(_ files: HostFiles) {
        let limits = files.text("/proc/self/limits")
        (openFilesSoft, openFilesHard) = Self.limit("Max open files", in: limits)
        (userThreadsSoft, _) = Self.limit("Max processes", in: limits)
        userThreadsUsed = Self.threads(ofUserOf: files)
        openFilesPerProcessMax = files.integer("/proc/sys/fs/nr_open")
        systemFilesMax = files.integer("/proc/sys/fs/file-max")
        systemFilesUsed = files.integers("/proc/sys/fs/file-nr", count: 3)?[0]
        epollWatchesMax = files.integer("/proc/sys/fs/epoll/max_user_watches")

        pidMax = files.integer("/proc/sys/kernel/pid_max")
        threadsMax = files.integer("/proc/sys/kernel/threads-max")
        threadsUsed = files.value("/proc/loadavg").flatMap(Self.threads(inLoadAverage:))
        mapsPerProcessMax = files.integer("/proc/sys/vm/max_map_count")
        controlGroupPids = ControlGroup(files: files).pids()
        controlGroupMemory = ControlGroup(files: files).memory()
    }

    private mutating func readNetwork(_ files: HostFiles) {
        let ports = files.integers("/proc/sys/net/ipv4/ip_local_port_range", count: 2)
        localPortFirst = ports?[0]
        localPortLast = ports?[1]
        localPortsReserved = files.value("/proc/sys/net/ipv4/ip_local_reserved_ports")
        establishedHashEntries = files.integer("/proc/sys/net/ipv4/tcp_ehash_entries")
        somaxconn = files.integer("/proc/sys/net/core/somaxconn")
        netdevMaxBacklog = files.integer("/proc/sys/net/core/netdev_max_backlog")
        tcpMemoryPages = files.integers("/proc/sys/net/ipv4/tcp_mem", count: 3)
        timeWaitMax = files.integer("/proc/sys/net/ipv4/tcp_max_tw_buckets")
        synLinearTimeouts = files.integer("/proc/sys/net/ipv4/tcp_syn_linear_timeouts")
        orphansMax = files.integer("/proc/sys/net/ipv4/tcp_max_orphans")
        conntrackMax = files.integer("/proc/sys/net/netfilter/nf_conntrack_max")
        conntrackCount = files.integer("/proc/sys/net/netfilter/nf_conntrack_count")
    }

    private mutating func readPermissions(_ files: HostFiles) {
        ioUringDisabled = files.integer("/proc/sys/kernel/io_uring_disabled")
        let status = files.lines("/proc/self/status")
        seccompMode = status?["Seccomp"].flatMap { Int($0) }
        // Real, effective, saved, file system.
        let users = status?["Uid"]?.split(whereSeparator: \.isWhitespace) ?? []
        effectiveUser = users.count == 4 ? Int(users[1]) : nil
        capabilities = status?["CapEff"].flatMap { UInt64($0, radix: 16) }
        if files.exists("/.dockerenv") {
            containerHint = "docker"
        } else if files.exists("/run/.containerenv") {
            containerHint = "podman"
        }
    }

    /// One word when all processors have the same, else each of them once.
    private static func frequencyGovernor(_ files: HostFiles) -> String? {
        let directory = "/sys/devices/system/cpu/cpufreq"
        let policies = files.names(in: directory)?.filter { $0.hasPrefix("policy") } ?? []
        let governors = Set(
            policies.compactMap { files.value("\(directory)/\($0)/scaling_governor") })
        return governors.isEmpty ? nil : governors.sorted().joined(separator: " ")
    }

    private static var builtFor: String? {
        #if arch(x86_64)
            "x86_64"
        #elseif arch(arm64)
            "arm64"
        #else
            nil
        #endif
    }

    /// How many numbers a list of processors such as `0-3,8` has; the kernel has no larger ones.
    private static func countOfList(_ list: String) -> Int? {
        var count = 0
        for part in list.split(separator: ",") {
            let ends = part.split(separator: "-").map { Int($0) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2,
                last >= first, 0...65_535 ~= first, 0...65_535 ~= last
            else { return nil }
            count += last - first + 1
        }
        return count > 0 ? count : nil
    }

    /// The fourth column of /proc/loadavg, `1/83`: runnable and all threads.
    static func threads(inLoadAverage text: String) -> Int? {
        let columns = text.split(separator: " ")
        guard columns.count == 5 else { return nil }
        let counts = columns[3].split(separator: "/")
        return counts.count == 2 ? Int(counts[1]) : nil
    }

    /// Threads of all processes that have the real user id of this one.
    static func threads(ofUserOf files: HostFiles) -> Int? {
        files.lines("/proc/self/status").flatMap(user).flatMap { threads(ofUser: $0, files) }
    }

    /// Threads of all processes with this real user id.
    static func threads(ofUser own: UInt32, _ files: HostFiles) -> Int? {
        guard let names = files.names(in: "/proc") else { return nil }
        return names.reduce(0) { sum, name in
            guard Int(name) != nil, let status = files.lines("/proc/\(name)/status"),
                user(status) == own
            else { return sum }
            return sum &+ (status["Threads"].flatMap { Int($0) } ?? 0)
        }
    }

    private static func user(_ status: KeyedLines) -> UInt32? {
        (status["Uid"]?.split(whereSeparator: \.isWhitespace).first).flatMap { UInt32($0) }
    }

    /// A row of /proc/self/limits: `Max open files   20000   20000   files`.
    private static func limit(
        _ name: String, in text: String?
    ) -> (soft: Ceiling?, hard: Ceiling?) {
        guard let line = text?.split(separator: "\n").first(where: { $0.hasPrefix(name + " ") })
        else { return (nil, nil) }
        let columns = line.dropFirst(name.count).split(separator: " ")
        guard columns.count >= 2 else { return (nil, nil) }
        return (Ceiling(columns[0]), Ceiling(columns[1]))
    }
}
