// What can be learned about a running process, somebody else's server, without its help.

import Glibc

/// Read once and quickly, but no snapshot: the process goes on meanwhile.
///
/// Works for own processes as an ordinary user, and for all as root. What cannot be read says why.
public struct ProcessFacts: Codable, Hashable, Sendable {
    public var pid: Int32
    public var name: String
    /// The effective user.
    public var user: Fact<Int>
    public var threads: Fact<Int>
    public var residentBytes: Fact<Int>
    /// Shared pages counted in proportion.
    public var proportionalBytes: Fact<Int>
    public var memoryMaps: Fact<Int>
    /// 0 none, 1 strict, 2 filter.
    public var seccompMode: Fact<Int>
    /// The effective capabilities, one bit each, see capabilities(7).
    public var capabilities: Fact<UInt64>
    /// From -1000 (never ended for want of memory) to 1000 (first to be).
    public var outOfMemoryScoreAdjustment: Fact<Int>

    public var openFilesSoft: Fact<Ceiling>
    public var openFilesHard: Fact<Ceiling>
    /// RLIMIT_NPROC, threads of its user.
    public var userThreadsSoft: Fact<Ceiling>
    /// Threads that its user has in all processes.
    public var userThreads: Fact<Int>
    public var controlGroupPids: Fact<ControlGroupLimit>
    public var controlGroupMemory: Fact<ControlGroupLimit>

    public var descriptors: Fact<ProcessDescriptors>
    /// How many descriptors it may still open below its soft limit; `Int.max` without limit.
    public var descriptorsFree: Fact<Int>
    public var network: Fact<ProcessNetwork>

    /// True when fs.file-max does not bind it; `nil` when unknown.
    public var hasSystemAdmin: Bool? { capabilities.value.map { $0 >> 21 & 1 == 1 } }

    /// True when RLIMIT_NPROC does not bind it; `nil` when unknown.
    public var hasUnlimitedThreads: Bool? {
        if user.value == 0 { return true }
        return capabilities.value.map { $0 >> 21 & 1 == 1 || $0 >> 24 & 1 == 1 }
    }

    /// - Throws: `vanished` when there is no such process, or when it ended meanwhile.
    public static func read(pid: Int32) throws(ProcessUsageError) -> ProcessFacts {
        try ProcessFacts(pid: pid, files: HostFiles(root: ""))
    }

    init(pid: Int32, files: HostFiles) throws(ProcessUsageError) {
        let before = try Self.identify(pid, files)
        self.pid = pid
        name = before.name
        let folder = "/proc/\(pid)"
        let status = Self.lines("\(folder)/status", files)
        // Real, effective, saved, file system.
        user = Self.number(status, "Uid", column: 1)
        threads = .known(before.threadCount)
        residentBytes = Self.kibibytes(status, "VmRSS")
        proportionalBytes = Self.kibibytes(Self.lines("\(folder)/smaps_rollup", files), "Pss")
        seccompMode = Self.number(status, "Seccomp")
        capabilities = Self.capabilities(status)
        memoryMaps = Fact { () throws(FileError) in
            var count = 0
            try TextFile.forEachLine("\(files.root)\(folder)/maps") { _ in count += 1 }
            return count
        }
        outOfMemoryScoreAdjustment = Fact { () throws(FileError) in
            let path = "\(folder)/oom_score_adj"
            guard let value = Int(TextFile.trimmed(try files.read(path)[...])) else {
                throw FileError(path: path, expected: "a number")
            }
            return value
        }

        let limits = Fact { () throws(FileError) in
            try files.read("\(folder)/limits")
        }
        openFilesSoft = Self.limit("Max open files", 0, in: limits)
        openFilesHard = Self.limit("Max open files", 1, in: limits)
        userThreadsSoft = Self.limit("Max processes", 0, in: limits)
        userThreads = Self.threads(of: Self.number(status, "Uid", column: 0), files)
        let group = ControlGroup(files: files, process: "\(pid)")
        let unreadable = "no file of its control group can be read"
        controlGroupPids = group.pids().map { .known($0) } ?? .unknown(because: unreadable)
        controlGroupMemory = group.memory().map { .known($0) } ?? .unknown(because: unreadable)

        let scan = Self.scan(pid, files)
        descriptors = scan.map(\.facts)
        descriptorsFree = Self.free(scan, openFilesSoft)
        network = ProcessNetwork.read(of: pid, sockets: scan.map(\.socketInodes), files: files)

        // Another process by the same number would make a mixture of the two.
        guard try Self.identify(pid, files).startTicks == before.startTicks else {
            throw .vanished(pid: pid)
        }
    }

    private static func identify(
        _ pid: Int32, _ files: HostFiles
    ) throws(ProcessUsageError) -> ProcessStat {
        let stat: ProcessStat
        do {
            stat = try ProcessStat(pid: pid, files: files)
        } catch {
            throw ProcessUsageError(pid: pid, error)
        }
        guard !stat.hasEnded else { throw .vanished(pid: pid) }
        return stat
    }

    private static func scan(_ pid: Int32, _ files: HostFiles) -> Fact<DescriptorScan> {
        do throws(FileError) {
            return .known(try DescriptorScan(pid: pid, files: files))
        } catch {
            let hint = error.reason == .errno(EACCES) ? "; run it as root or as its user" : ""
            return .unknown(because: "\(error)\(hint)")
        }
    }

    private static func free(_ scan: Fact<DescriptorScan>, _ soft: Fact<Ceiling>) -> Fact<Int> {
        switch (scan, soft) {
        case (.unknown(let reason), _), (_, .unknown(let reason)): .unknown(because: reason)
        case (_, .known(.unlimited)): .known(.max)
        case (.known(let scan), .known(.at(let limit))): .known(scan.freeNumbers(below: limit))
        }
    }

    /// Sums over all processes; each that ends meanwhile is left out.
    private static func threads(of user: Fact<Int>, _ files: HostFiles) -> Fact<Int> {
        guard case .known(let user) = user else { return user }
        guard let names = files.names(in: "/proc") else {
            return .unknown(because: "/proc cannot be listed")
        }
        var sum = 0
        for name in names where Int32(name) != nil {
            let status = lines("/proc/\(name)/status", files)
            guard number(status, "Uid", column: 0).value == user else { continue }
            sum &+= number(status, "Threads").value ?? 0
        }
        return .known(sum)
    }
}

// MARK: - Files of /proc/<pid>

extension ProcessFacts {
    private static func lines(_ path: String, _ files: HostFiles) -> Fact<KeyedLines> {
        do throws(FileError) {
            return .known(KeyedLines(try files.read(path), path: path))
        } catch {
            return .unknown(because: "\(error)")
        }
    }

    private static func field(_ lines: Fact<KeyedLines>, _ key: String) -> Fact<String> {
        switch lines {
        case .unknown(let reason): .unknown(because: reason)
        case .known(let lines):
            lines[key].map { .known(String($0)) }
                ?? .unknown(because: "\(lines.path) has no line '\(key)'")
        }
    }

    static func number(
        _ lines: Fact<KeyedLines>, _ key: String, column: Int = 0
    ) -> Fact<Int> {
        switch field(lines, key) {
        case .unknown(let reason): return .unknown(because: reason)
        case .known(let text):
            let columns = text.split(whereSeparator: \.isWhitespace)
            guard column < columns.count, let value = Int(columns[column]) else {
                return .unknown(because: "'\(key): \(text)' is not understood")
            }
            return .known(value)
        }
    }

    static func capabilities(_ status: Fact<KeyedLines>) -> Fact<UInt64> {
        switch field(status, "CapEff") {
        case .unknown(let reason): return .unknown(because: reason)
        case .known(let text):
            guard let bits = UInt64(text, radix: 16) else {
                return .unknown(because: "'CapEff: \(text)' is not understood")
            }
            return .known(bits)
        }
    }

    static func kibibytes(_ lines: Fact<KeyedLines>, _ key: String) -> Fact<Int> {
        switch number(lines, key) {
        case .known(let count):
            KeyedLines.bytes(kibibytes: count).map { .known($0) }
                ?? .unknown(because: "'\(key): \(count) kB' is not understood")
        case .unknown(let reason): .unknown(because: reason)
        }
    }

    static func limit(
        _ name: String, _ column: Int, in text: Fact<String>
    ) -> Fact<Ceiling> {
        guard case .known(let text) = text else { return .unknown(because: text.reason ?? "") }
        let line = text.split(separator: "\n").first { $0.hasPrefix(name) }
        let columns = line?.dropFirst(name.count).split(separator: " ") ?? []
        guard columns.count > column, let ceiling = Ceiling(columns[column]) else {
            return .unknown(because: "/proc/<pid>/limits has no line '\(name)'")
        }
        return .known(ceiling)
    }
}
