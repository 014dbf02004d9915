// Texts of /proc and /sys that are read one by one.

@testable import ConnectionBench

extension FuzzTarget {
    /// Files of one process or of the machine, each read by everything that reads such a file.
    public static let procFiles = FuzzTarget(
        "proc-files",
        text: { text in
            let path = "/proc/made-up"
            keyedLines(text, path)
            processUsage(text, path)
            if let usage = try? MachineUsage(stat: text) {
                promise(usage.processorCount >= 0, "\(usage.processorCount) processors")
                let difference = usage.since(usage)
                promise(
                    difference.totalSeconds == 0 && difference.contextSwitches == 0, "to itself")
            }
            if let memory = try? UsableMemory(meminfo: text) {
                _ = memory.usableBytes(since: memory, connections: 1_000_000)
            }
            _ = HostFacts.threads(inLoadAverage: text)
            for line in ["some", "full"] { _ = SamplerFiles.average(line, in: text) }
            if let seconds = ThreadClock.delayedSeconds(schedstat: text) {
                promise(seconds >= 0, "\(seconds) s in the queue")
            }
            _ = ChildProcess.isStopped(stat: text)
            ceiling(text)
            if let move = Checkout.move(text) {
                promise(move.commit.utf8.count >= 40, "a commit of '\(move.commit)'")
            }
            let dates = WallClock.seconds(of: text)
            if let dates { promise(WallClock.seconds(of: text) == dates, "\(dates)") }
        })

    private static func keyedLines(_ text: String, _ path: String) {
        let lines = KeyedLines(text, path: path)
        for key in ["MemTotal", "Uid", "Threads", "VmRSS", "CapEff", "Seccomp", "model name", ""] {
            let value = lines[key]
            if let value {
                promise(text.contains(value), "'\(value)' is not in the text")
                promise(!value.utf8.contains(UInt8(ascii: "\n")), "a value over several lines")
                promise(TextFile.trimmed(value) == value, "white space around '\(value)'")
            }
            if let bytes = lines.kibibytesIfPresent(key) {
                promise(bytes % 1_024 == 0, "\(bytes) B are no KiB")
            }
            if let number = try? lines.integer(key) {
                promise(Int(value ?? "") == number, "\(number)")
            }
            let fact = Fact<KeyedLines>.known(lines)
            for column in 0..<3 { _ = ProcessFacts.number(fact, key, column: column) }
            _ = ProcessFacts.kibibytes(fact, key)
            _ = ProcessFacts.capabilities(fact)
        }
        for name in ["Max open files", "Max processes"] {
            for column in 0..<2 { _ = ProcessFacts.limit(name, column, in: .known(text)) }
        }
    }

    private static func processUsage(_ text: String, _ path: String) {
        var usage = ProcessUsage()
        if (try? usage.apply(stat: text, path: path, ticksPerSecond: 100)) != nil {
            promise(usage.processorSeconds == usage.userSeconds + usage.systemSeconds, "a sum")
        }
        _ = try? usage.apply(smapsRollup: text, path: path)
        // As of a process with several threads, each of which has such a file.
        for _ in 0..<3 { _ = try? usage.add(threadStatus: text, path: path) }
        var sum = usage
        sum.add(usage)
        promise(sum.threadCount == usage.threadCount * 2, "threads of two")
        _ = sum.since(usage)
    }

    private static func ceiling(_ text: String) {
        guard let ceiling = Ceiling(text) else { return }
        if let value = ceiling.value { promise(value >= 0, "a limit of \(value)") }
    }

    /// Counters of sockets and packets: sockstat, netstat, snmp, softnet_stat, nf_conntrack.
    public static let socketCounters = FuzzTarget(
        "socket-counters",
        text: { text in
            if let sockets = try? SocketStatistics(sockstat: text, sockstat6: text) {
                let softnet = (try? NetworkCounters.parseSoftnet(text)) ?? (0, 0)
                let values = (try? NetworkCounters.parseTable(text, path: "t")) ?? [:]
                let counters = NetworkCounters(sockets: sockets, values: values, softnet: softnet)
                promise(counters.since(counters).tellingChanges.isEmpty, "a change to itself")
            }
            if let values = try? NetworkCounters.parseTable(text, path: "t") {
                let sockets = try? SocketStatistics(sockstat: plainSockstat, sockstat6: nil)
                guard let sockets else { fatalError("broken promise: a plain sockstat") }
                let now = NetworkCounters(sockets: sockets, values: values, softnet: (0, 0))
                let before = NetworkCounters(
                    sockets: sockets, values: values.mapValues { ~$0 }, softnet: (0, 0))
                _ = now.since(before).tellingChanges
            }
            if let sum = try? NetworkCounters.parseSoftnet(text) {
                promise(sum.dropped >= 0 && sum.squeezed >= 0, "\(sum)")
            }
            if let drops = Conntrack.drops(statistics: text) {
                promise(drops >= 0, "\(drops) drops")
            }
        })

    private static let plainSockstat = "TCP: inuse 1 orphan 0 tw 0 alloc 1 mem 285\n"

    /// /proc/meminfo and /proc/slabinfo, with a zero byte between the two.
    public static let slabinfo = FuzzTarget(
        "slabinfo",
        text: { text in
            let parts = text.split(separator: "\0", maxSplits: 1, omittingEmptySubsequences: false)
            let (meminfo, slabinfo) = (String(parts[0]), parts.count == 2 ? String(parts[1]) : nil)
            guard
                let memory = try? KernelMemory(
                    meminfo: meminfo, slabinfo: slabinfo, pageBytes: 4_096)
            else { return }
            promise(memory.source == (slabinfo == nil ? .meminfo : .slabinfo), "\(memory.source)")
            promise(memory.cacheBytes.values.allSatisfy { $0 >= 0 }, "\(memory.cacheBytes)")
            promise(memory.totalBytes >= 0, "\(memory.totalBytes) B")
            let growth = memory.growth(since: memory)
            promise(growth.totalBytes == 0 && growth.caches.isEmpty, "growth to itself")
        })
}
