// What a process, or a group of processes, has used: time, memory, threads, switches.

import Glibc

/// Why a process could not be measured. Always names the process.
public enum ProcessUsageError: Error, Hashable, Sendable, CustomStringConvertible {
    /// It has ended, before or while it was read.
    case vanished(pid: Int32)
    case unreadable(pid: Int32, FileError)

    public var description: String {
        switch self {
        case .vanished(let pid): "process \(pid) has ended"
        case .unreadable(let pid, let error): "process \(pid) cannot be measured: \(error)"
        }
    }

    init(pid: Int32, _ error: FileError) {
        self = error.isMissing ? .vanished(pid: pid) : .unreadable(pid: pid, error)
    }
}

/// Cumulated figures of one process, or the sum of several.
public struct ProcessUsage: Codable, Hashable, Sendable {
    /// In the kernel's clock ticks, of 10 ms mostly.
    public var userSeconds = 0.0
    public var systemSeconds = 0.0
    /// Both together in nanoseconds' resolution, those of ended threads included; where the
    /// process's clock cannot be read, their sum.
    public var processorSeconds = 0.0
    public var threadCount = 0
    /// Shared pages counted in proportion, so that a sum over processes is right. `nil` where the
    /// kernel does not tell: another user's process, or one that has ended and is not reaped.
    public var proportionalBytes: Int? = 0
    public var residentBytes: Int? = 0
    /// Switches of the threads that live now; those of ended threads are not in them.
    public var voluntarySwitches = 0
    public var involuntarySwitches = 0
    /// Worker threads that io_uring made for requests it could not do asynchronously.
    public var ioWorkerCount = 0

    public init() {}

    /// Reads one process.
    ///
    /// The cost grows with the threads (one file each, about 30 µs) and the memory mappings: with
    /// 20,000 threads it takes some 0.6 s of a processor. Call it at steps, not at ticks.
    public static func read(pid: Int32) throws(ProcessUsageError) -> ProcessUsage {
        do {
            return try readFiles(of: pid)
        } catch {
            throw ProcessUsageError(pid: pid, error)
        }
    }

    /// The sum over `pids`, and an error for each of them that could not be read.
    public static func sum(
        of pids: [Int32]
    ) -> (usage: ProcessUsage, failures: [ProcessUsageError]) {
        var total = ProcessUsage()
        var failures: [ProcessUsageError] = []
        for pid in pids {
            do {
                total.add(try read(pid: pid))
            } catch {
                failures.append(error)
            }
        }
        return (total, failures)
    }

    /// An unknown memory figure makes the sum unknown.
    public mutating func add(_ other: ProcessUsage) {
        combine(other, sign: 1)
        threadCount += other.threadCount
        ioWorkerCount += other.ioWorkerCount
        proportionalBytes = Self.sum(proportionalBytes, other.proportionalBytes)
        residentBytes = Self.sum(residentBytes, other.residentBytes)
    }

    /// Time and switches used since `earlier`; threads and memory are those of this reading.
    public func since(_ earlier: ProcessUsage) -> ProcessUsage {
        var difference = self
        difference.combine(earlier, sign: -1)
        return difference
    }

    private mutating func combine(_ other: ProcessUsage, sign: Int) {
        userSeconds += Double(sign) * other.userSeconds
        systemSeconds += Double(sign) * other.systemSeconds
        processorSeconds += Double(sign) * other.processorSeconds
        voluntarySwitches &+= sign &* other.voluntarySwitches
        involuntarySwitches &+= sign &* other.involuntarySwitches
    }

    private static func sum(_ one: Int?, _ other: Int?) -> Int? {
        guard let one, let other else { return nil }
        return one + other
    }
}

extension ProcessUsage {
    private static func readFiles(of pid: Int32) throws(FileError) -> ProcessUsage {
        var usage = ProcessUsage()
        let statPath = "/proc/\(pid)/stat"
        try usage.apply(stat: TextFile.read(statPath), path: statPath)
        if let seconds = ProcessClock.seconds(of: pid) { usage.processorSeconds = seconds }

        let rollupPath = "/proc/\(pid)/smaps_rollup"
        do {
            try usage.apply(smapsRollup: TextFile.read(rollupPath), path: rollupPath)
        } catch let error where error.reason == .errno(EACCES) || error.isMissing {
            // Not ours to read, or ended but not reaped: its time counts, its memory is unknown.
            usage.proportionalBytes = nil
            usage.residentBytes = nil
        }

        let taskPath = "/proc/\(pid)/task"
        for thread in try TextFile.names(in: taskPath) {
            let path = "\(taskPath)/\(thread)/status"
            do {
                try usage.add(threadStatus: TextFile.read(path), path: path)
            } catch let error where error.isMissing {
                // A thread ended between the listing and the reading, as documented above.
                continue
            }
        }
        return usage
    }

    /// Takes times and threads from /proc/<pid>/stat.
    ///
    /// The second column is the program's name in parentheses. It may itself contain spaces and
    /// parentheses, so the columns are counted from the last `)`.
    mutating func apply(
        stat: String, path: String, ticksPerSecond: Double = ClockTicks.perSecond
    ) throws(FileError) {
        guard let nameEnd = stat.lastIndex(of: ")") else {
            throw FileError(path: path, expected: "a name in parentheses")
        }
        let columns = stat[stat.index(after: nameEnd)...].split(separator: " ")
        // Columns 14, 15 and 20 of proc_pid_stat(5); the first one here is column 3.
        guard columns.count > 17, let user = Int(columns[11]), let system = Int(columns[12]),
            let threads = Int(columns[17])
        else { throw FileError(path: path, expected: "20 columns") }
        userSeconds = Double(user) / ticksPerSecond
        systemSeconds = Double(system) / ticksPerSecond
        processorSeconds = userSeconds + systemSeconds
        threadCount = threads
    }

    mutating func apply(smapsRollup: String, path: String) throws(FileError) {
        guard !smapsRollup.isEmpty else {
            // A process without memory: a kernel thread, or one that is ending.
            proportionalBytes = nil
            residentBytes = nil
            return
        }
        let lines = KeyedLines(smapsRollup, path: path)
        proportionalBytes = try lines.kibibytes("Pss")
        residentBytes = try lines.kibibytes("Rss")
    }

    mutating func add(threadStatus: String, path: String) throws(FileError) {
        let lines = KeyedLines(threadStatus, path: path)
        // They wrap as the kernel's own do.
        voluntarySwitches &+= try lines.integer("voluntary_ctxt_switches")
        involuntarySwitches &+= try lines.integer("nonvoluntary_ctxt_switches")
        if lines["Name"]?.hasPrefix("iou-wrk") == true { ioWorkerCount += 1 }
    }
}
