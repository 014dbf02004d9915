// What the kernel's own memory is used for: bytes by slab cache, and what is still available.

import Glibc

/// One reading of the machine's memory as the kernel accounts for it.
public struct KernelMemory: Codable, Hashable, Sendable {
    /// Where `cacheBytes` comes from.
    public enum Source: String, Codable, Sendable {
        /// /proc/slabinfo, readable by root only: exact bytes of each cache.
        case slabinfo
        /// /proc/meminfo: the two sums `SUnreclaim` and `SReclaimable` take the caches' place.
        case meminfo
    }

    public let source: Source
    /// Bytes of pages held by each cache, free objects included.
    ///
    /// The kernel merges caches of like size and reports them under the name of the first one, so
    /// a cache may be missing here (`tcp_bind2_bucket`) and its growth show under another name.
    public let cacheBytes: [String: Int]
    /// Bytes of the objects in use, each with its share of its slab's slack. A cache that has free
    /// objects grows in this before it takes a further page; `nil` without slabinfo.
    public let objectBytes: Int?
    /// `Slab` of meminfo: all caches, and allocations too large for one.
    public let slabBytes: Int
    /// Memory that can be had without swapping: the figure that a floor is compared with.
    public let availableBytes: Int
    public let freeBytes: Int
    public let memoryTotalBytes: Int
    public let kernelStackBytes: Int
    public let pageTablesBytes: Int

    /// Sum over `cacheBytes`.
    public var totalBytes: Int { cacheBytes.values.reduce(0, +) }

    /// Takes about 3 ms, since the kernel walks every cache.
    ///
    /// - Throws: when /proc/meminfo is unreadable, or /proc/slabinfo is readable but malformed. An
    ///   unreadable slabinfo is no error; `source` says so.
    public static func read() throws(FileError) -> KernelMemory {
        let meminfo = try TextFile.read("/proc/meminfo")
        let slabinfo: String
        do {
            slabinfo = try TextFile.read("/proc/slabinfo")
        } catch {
            return try KernelMemory(meminfo: meminfo, slabinfo: nil)
        }
        return try KernelMemory(meminfo: meminfo, slabinfo: slabinfo)
    }

    /// `MemAvailable` alone, in bytes: cheap enough for 50 readings a second.
    public static func memAvailable() throws(FileError) -> Int {
        let path = "/proc/meminfo"
        return try KeyedLines(TextFile.read(path), path: path).kibibytes("MemAvailable")
    }

    /// What has grown since `earlier`.
    ///
    /// Where the two have different sources only the meminfo figures, which both have, are used.
    public func growth(since earlier: KernelMemory) -> KernelMemoryGrowth {
        let comparable = source == earlier.source
        let slabGrowth = slabBytes - earlier.slabBytes
        let caches = cacheBytes.map { name, bytes in
            let before = earlier.cacheBytes[name, default: 0]
            return KernelMemoryGrowth.Cache(name: name, bytes: bytes - before)
        }
        let grown = caches.filter { $0.bytes > KernelMemoryGrowth.noiseBytes }
        return KernelMemoryGrowth(
            source: comparable ? source : .meminfo,
            totalBytes: comparable ? totalBytes - earlier.totalBytes : slabGrowth,
            objectBytes: objectBytes.flatMap { now in earlier.objectBytes.map { now - $0 } },
            slabBytes: slabGrowth,
            caches: comparable ? grown.sorted { ($1.bytes, $0.name) < ($0.bytes, $1.name) } : [],
            kernelStackBytes: kernelStackBytes - earlier.kernelStackBytes,
            pageTablesBytes: pageTablesBytes - earlier.pageTablesBytes,
            availableLostBytes: earlier.availableBytes - availableBytes)
    }
}

/// The difference of two readings; every figure may be negative.
public struct KernelMemoryGrowth: Codable, Hashable, Sendable {
    public struct Cache: Codable, Hashable, Sendable {
        public let name: String
        public let bytes: Int
    }

    /// Growth up to this is left out of `caches`: other programs cause as much within seconds.
    static let noiseBytes = 65_536

    public let source: KernelMemory.Source
    /// Over all caches, the small ones included.
    public let totalBytes: Int
    /// Growth of the objects in use, see ``KernelMemory/objectBytes``.
    public var objectBytes: Int?
    /// Growth of meminfo's `Slab`, as a check on `totalBytes`.
    public let slabBytes: Int
    /// Caches that grew by more than 64 KiB, the largest first.
    public let caches: [Cache]
    public let kernelStackBytes: Int
    public let pageTablesBytes: Int
    /// How much less `MemAvailable` is: includes user memory and the work of everyone else.
    public let availableLostBytes: Int

    /// `totalBytes` shared among `count` connections; `nil` for none.
    public func bytesPerConnection(_ count: Int) -> Double? {
        count > 0 ? Double(totalBytes) / Double(count) : nil
    }
}

extension KernelMemory {
    /// - Parameter slabinfo: `nil` where it is unreadable.
    init(
        meminfo: String, slabinfo: String?, pageBytes: Int = sysconf(CInt(_SC_PAGESIZE))
    ) throws(FileError) {
        let lines = KeyedLines(meminfo, path: "/proc/meminfo")
        if let slabinfo {
            source = .slabinfo
            let parsed = try Self.parseCaches(slabinfo, pageBytes: pageBytes)
            cacheBytes = parsed.caches
            objectBytes = parsed.objects
        } else {
            source = .meminfo
            objectBytes = nil
            cacheBytes = [
                "SUnreclaim": try lines.kibibytes("SUnreclaim"),
                "SReclaimable": try lines.kibibytes("SReclaimable"),
            ]
        }
        slabBytes = try lines.kibibytes("Slab")
        availableBytes = try lines.kibibytes("MemAvailable")
        freeBytes = try lines.kibibytes("MemFree")
        memoryTotalBytes = try lines.kibibytes("MemTotal")
        kernelStackBytes = try lines.kibibytes("KernelStack")
        pageTablesBytes = try lines.kibibytes("PageTables")
    }

    /// Objects and slabs: more would not fit into any memory, and their bytes into no number.
    private static let numbersAllowed = 0...(1 << 34)

    /// Reads version 2.x of slabinfo. A name may hold spaces, so columns are counted from the end:
    /// `… <objperslab> <pagesperslab> : tunables 0 0 0 : slabdata <active> <num_slabs> 0`.
    private static func parseCaches(
        _ text: String, pageBytes: Int
    ) throws(FileError) -> (caches: [String: Int], objects: Int) {
        let path = "/proc/slabinfo"
        let lines = text.split(separator: "\n")
        guard lines.first?.hasPrefix("slabinfo - version: 2.") == true else {
            throw FileError(path: path, expected: "'slabinfo - version: 2.x'")
        }
        var bytes: [String: Int] = [:]
        var objects = 0
        for line in lines.dropFirst() where !line.hasPrefix("#") {
            let columns = line.split(separator: " ")
            let count = columns.count
            guard count >= 16, columns[count - 4] == "slabdata",
                let slabs = Int(columns[count - 2]), let pages = Int(columns[count - 11]),
                let active = Int(columns[count - 15]), let perSlab = Int(columns[count - 12]),
                perSlab > 0, Self.numbersAllowed.contains(slabs), 1...1_024 ~= pages,
                Self.numbersAllowed.contains(active)
            else { throw FileError(path: path, expected: "16 columns in '\(line)'") }
            // Memory cgroups of kernels before 5.9 list a cache once per group: sum them.
            let name = columns[..<(count - 15)].joined(separator: " ")
            bytes[name, default: 0] += slabs * pages * pageBytes
            // Anybody who looks into /proc makes these, and they can really be reclaimed.
            if name != "proc_inode_cache" { objects += active * pages * pageBytes / perSlab }
        }
        return (bytes, objects)
    }
}
