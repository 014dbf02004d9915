// The kernel's counts of sockets and of what went wrong with them, for this network namespace.

/// Sockets that exist now: /proc/net/sockstat and sockstat6.
public struct SocketStatistics: Codable, Hashable, Sendable {
    /// IPv4 TCP sockets that are bound or connected. Listening ones count too.
    public let tcpInUse: Int
    /// The same for IPv6; `nil` where the kernel runs without IPv6.
    public let tcp6InUse: Int?
    /// Closed by their process, not yet by the peer. Of the whole machine, both families.
    public let orphans: Int
    public let timeWait: Int
    /// TCP sockets with memory of their own, both families, of the whole machine.
    public let allocated: Int
    /// Pages charged for queued data, of the whole machine; compared with `tcp_mem` by the kernel.
    public let memoryPages: Int

    /// - Parameter process: whose network namespace; `nil`: that of the calling thread.
    public static func read(of process: Int32? = nil) throws(FileError) -> SocketStatistics {
        let folder = NetworkFolder.path(of: process)
        var sockstat6: String?
        do {
            sockstat6 = try TextFile.read("\(folder)/sockstat6")
        } catch let error where error.isMissing {
            sockstat6 = nil
        }
        return try SocketStatistics(
            sockstat: TextFile.read("\(folder)/sockstat"), sockstat6: sockstat6)
    }

    init(sockstat: String, sockstat6: String?) throws(FileError) {
        let tcp = try Self.pairs(of: "TCP", in: sockstat, path: "/proc/net/sockstat")
        tcpInUse = try tcp("inuse")
        orphans = try tcp("orphan")
        timeWait = try tcp("tw")
        allocated = try tcp("alloc")
        memoryPages = try tcp("mem")
        if let sockstat6 {
            let tcp6 = try Self.pairs(of: "TCP6", in: sockstat6, path: "/proc/net/sockstat6")
            tcp6InUse = try tcp6("inuse")
        } else {
            tcp6InUse = nil
        }
    }

    /// A look-up in a line such as `TCP: inuse 1 orphan 0 tw 0 alloc 1 mem 285`.
    private static func pairs(
        of key: String, in text: String, path: String
    ) throws(FileError) -> (String) throws(FileError) -> Int {
        guard let line = KeyedLines(text, path: path)[key] else {
            throw FileError(path: path, expected: "a line '\(key): …'")
        }
        let words = line.split(separator: " ")
        return { (name) throws(FileError) in
            guard let index = words.firstIndex(of: name[...]), index + 1 < words.count,
                let value = Int(words[index + 1])
            else { throw FileError(path: path, expected: "'\(name) <number>' in '\(key): …'") }
            return value
        }
    }
}

/// /proc/net is the view of a process's first thread; a thread may be in another namespace.
enum NetworkFolder {
    static func path(of process: Int32?) -> String {
        process.map { "/proc/\($0)/net" } ?? "/proc/thread-self/net"
    }
}

/// Everything the kernel counts about the network, at one moment.
public struct NetworkCounters: Codable, Hashable, Sendable {
    /// Sockets now; in a difference, those of the later reading.
    public let sockets: SocketStatistics
    /// /proc/net/netstat and /proc/net/snmp, under the names of nstat(8): `TcpExtListenDrops`,
    /// `TcpRetransSegs`.
    public let values: [String: Int]
    /// Packets that the backlog queue of a processor had no room for: each one costs its
    /// connection a retransmission time of 200 ms or more.
    public let softnetDropped: Int
    /// Times that a processor ended packet work for lack of budget.
    public let softnetSqueezed: Int

    /// Counters that spoil a measurement, or name a wall, when they move during it.
    public static let telling = [
        "TcpExtListenOverflows", "TcpExtListenDrops", "TcpExtTCPReqQFullDrop",
        "TcpExtTCPReqQFullDoCookies", "TcpExtTCPBacklogDrop", "TcpExtTCPRcvQDrop",
        "TcpExtTCPTimeWaitOverflow", "TcpExtTCPAbortOnMemory", "TcpExtTCPMemoryPressures",
        "TcpExtTCPSynRetrans", "TcpExtTCPTimeouts", "TcpExtTCPLostRetransmit",
        "TcpExtTCPAbortOnTimeout", "TcpExtTCPAbortOnData", "TcpExtPruneCalled",
        "TcpExtRcvPruned", "TcpExtEmbryonicRsts", "TcpRetransSegs", "TcpAttemptFails",
        "TcpEstabResets", "TcpOutRsts", "TcpInErrs",
    ]

    /// - Parameter process: whose network namespace; `nil`: that of the calling thread. Packets
    ///   dropped by a processor's queue are those of the whole machine.
    public static func read(of process: Int32? = nil) throws(FileError) -> NetworkCounters {
        let folder = NetworkFolder.path(of: process)
        let (netstat, snmp) = ("\(folder)/netstat", "\(folder)/snmp")
        return NetworkCounters(
            sockets: try SocketStatistics.read(of: process),
            values: try parseTable(TextFile.read(netstat), path: netstat)
                .merging(parseTable(TextFile.read(snmp), path: snmp)) { one, _ in one },
            softnet: try parseSoftnet(TextFile.read("\(folder)/softnet_stat")))
    }

    /// A counter by its nstat name; `nil` when this kernel has none of that name.
    public subscript(name: String) -> Int? { values[name] }

    /// Counts since `earlier`. Gauges among them (`TcpCurrEstab`) become differences as well.
    public func since(_ earlier: NetworkCounters) -> NetworkCounters {
        var changes: [String: Int] = [:]
        // A counter of 64 bits may have begun again.
        for (name, value) in values { changes[name] = value &- earlier.values[name, default: 0] }
        return NetworkCounters(
            sockets: sockets, values: changes,
            softnet: (
                dropped: softnetDropped - earlier.softnetDropped,
                squeezed: softnetSqueezed - earlier.softnetSqueezed
            ))
    }

    /// Of a difference: the `telling` counters that moved, and softnet's as `SoftnetDropped` and
    /// `SoftnetSqueezed`.
    public var tellingChanges: [String: Int] {
        var changes = values.filter { Self.telling.contains($0.key) && $0.value != 0 }
        if softnetDropped != 0 { changes["SoftnetDropped"] = softnetDropped }
        if softnetSqueezed != 0 { changes["SoftnetSqueezed"] = softnetSqueezed }
        return changes
    }
}

extension NetworkCounters {
    init(
        sockets: SocketStatistics, values: [String: Int], softnet: (dropped: Int, squeezed: Int)
    ) {
        self.sockets = sockets
        self.values = values
        softnetDropped = softnet.dropped
        softnetSqueezed = softnet.squeezed
    }

    /// Reads pairs of lines: `Tcp: Name …` and `Tcp: 1 …`.
    static func parseTable(_ text: String, path: String) throws(FileError) -> [String: Int] {
        let lines = text.split(separator: "\n").map { $0.split(separator: " ") }
        var values: [String: Int] = [:]
        for index in stride(from: 0, to: lines.count, by: 2) {
            let names = lines[index]
            guard index + 1 < lines.count, let prefix = names.first, prefix.hasSuffix(":"),
                lines[index + 1].first == prefix, lines[index + 1].count == names.count
            else {
                throw FileError(path: path, expected: "pairs of lines with equal columns")
            }
            for (name, column) in zip(names, lines[index + 1]).dropFirst() {
                guard let value = counter(column) else {
                    throw FileError(path: path, expected: "a number for \(prefix)\(name)")
                }
                values[String(prefix.dropLast()) + name] = value
            }
        }
        return values
    }

    /// Counters are unsigned 64 bits in the kernel, limits such as `MaxConn` are signed.
    private static func counter(_ text: Substring) -> Int? {
        Int(text) ?? UInt64(text).map { Int(truncatingIfNeeded: $0) }
    }

    /// One line of hexadecimal columns for each processor; the second and third are summed.
    static func parseSoftnet(_ text: String) throws(FileError) -> (dropped: Int, squeezed: Int) {
        var sum = (dropped: 0, squeezed: 0)
        for line in text.split(separator: "\n") {
            let columns = line.split(separator: " ")
            guard columns.count >= 3, let dropped = UInt32(columns[1], radix: 16),
                let squeezed = UInt32(columns[2], radix: 16)
            else {
                throw FileError(
                    path: "/proc/net/softnet_stat", expected: "three hexadecimal columns")
            }
            sum.dropped += Int(dropped)
            sum.squeezed += Int(squeezed)
        }
        return sum
    }
}
