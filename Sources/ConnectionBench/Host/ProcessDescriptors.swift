// What the descriptors of a process are: sockets, epoll and io_uring instances.

import Glibc

/// The descriptors that a process has open now.
public struct ProcessDescriptors: Codable, Hashable, Sendable {
    /// One epoll(7) instance, and how many descriptors it watches.
    public struct EpollInstance: Codable, Hashable, Sendable {
        public let fd: Int
        public let watches: Fact<Int>
    }

    /// One io_uring instance. Its direct descriptors count in no limit of open files.
    public struct Ring: Codable, Hashable, Sendable {
        public let fd: Int
        /// Sockets in its table of direct descriptors, and how many places the table has.
        public let directSockets: Fact<Int>
        public let directPlaces: Fact<Int>
    }

    public let count: Int
    /// Sockets of every kind among them.
    public let socketCount: Int
    public let epolls: [EpollInstance]
    public let rings: [Ring]

    public var directSocketCount: Int { rings.reduce(0) { $0 + ($1.directSockets.value ?? 0) } }
    public var directPlaceCount: Int { rings.reduce(0) { $0 + ($1.directPlaces.value ?? 0) } }
}

/// One reading of /proc/<pid>/fd, with what is too large to keep in a result.
struct DescriptorScan {
    let facts: ProcessDescriptors
    /// Of every socket, in descriptors and direct ones. 4 bytes each and the set's own room.
    let socketInodes: Set<UInt32>
    private let numbers: [Int]

    /// The kernel gives out the lowest free number below the limit: so many there are.
    ///
    /// After the limit was lowered there may be descriptors above it, which take none of them.
    func freeNumbers(below limit: Int) -> Int {
        limit - numbers.count { $0 < limit }
    }

    /// Watches of an epoll instance are counted up to so many descriptors: the kernel writes a line
    /// for each while it holds the instance's lock, and the server would wait.
    static let watchesCountedMax = 100_000

    /// - Throws: EACCES for another user's process, unless as root.
    init(pid: Int32, files: HostFiles) throws(FileError) {
        let folder = "/proc/\(pid)/fd"
        let names = try TextFile.names(in: files.root + folder)
        let folderFD = open(files.root + folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folderFD >= 0 else { throw FileError(path: folder, errno: errno) }
        defer { close(folderFD) }
        var inodes: Set<UInt32> = []
        var socketCount = 0
        var epolls: [ProcessDescriptors.EpollInstance] = []
        var rings: [ProcessDescriptors.Ring] = []
        var numbers: [Int] = []
        for name in names {
            guard let number = Int(name) else { continue }
            numbers.append(number)
            // Built for the few that are asked for more.
            var info: String { "\(files.root)/proc/\(pid)/fdinfo/\(name)" }
            switch Self.target(name, in: folderFD) {
            case .socket(let inode):
                socketCount += 1
                inodes.insert(inode)
            case .epoll:
                let watches: Fact<Int> =
                    names.count > Self.watchesCountedMax
                    ? .unknown(because: "counting so many would make the server wait")
                    : Fact { () throws(FileError) in try Self.countWatches(info) }
                epolls.append(.init(fd: number, watches: watches))
            case .ring: rings.append(Self.ring(fd: number, info: info, inodes: &inodes))
            case .other: break
            }
        }
        self.numbers = numbers
        socketInodes = inodes
        facts = ProcessDescriptors(
            count: numbers.count, socketCount: socketCount,
            epolls: epolls.sorted { $0.fd < $1.fd }, rings: rings.sorted { $0.fd < $1.fd })
    }

    /// One line `tfd: …` for each watched descriptor, see proc_pid_fdinfo(5).
    private static func countWatches(_ path: String) throws(FileError) -> Int {
        var count = 0
        try TextFile.forEachLine(path) { if $0.starts(with: "tfd:".utf8) { count += 1 } }
        return count
    }

    private static func ring(
        fd: Int, info: String, inodes: inout Set<UInt32>
    ) -> ProcessDescriptors.Ring {
        // The kernel leaves the table out while the ring's owner is inside of it: try again.
        for _ in 0..<50 {
            var table = RingTable()
            do throws(FileError) {
                try TextFile.forEachLine(info) { table.add($0) }
            } catch {
                let reason = Fact<Int>.unknown(because: "\(error)")
                return .init(fd: fd, directSockets: reason, directPlaces: reason)
            }
            if let places = table.places {
                inodes.formUnion(table.inodes)
                return .init(
                    fd: fd, directSockets: .known(table.inodes.count), directPlaces: .known(places))
            }
            usleep(1_000)
        }
        let reason = Fact<Int>.unknown(because: "the ring was in use each time it was looked at")
        return .init(fd: fd, directSockets: reason, directPlaces: reason)
    }

    /// `socket:[4711]`, with or without a blank before it; `nil` for anything else.
    fileprivate static func inode(ofSocket link: UnsafeRawBufferPointer) -> UInt32? {
        let text = link.first == UInt8(ascii: " ") ? link.dropFirst() : link[...]
        guard text.starts(with: "socket:[".utf8), text.last == UInt8(ascii: "]") else { return nil }
        var inode: UInt32 = 0
        for byte in text.dropFirst(8).dropLast() {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            inode = inode &* 10 &+ UInt32(byte - UInt8(ascii: "0"))
        }
        return inode
    }

    private enum Target {
        case socket(UInt32)
        case epoll
        case ring
        case other
    }

    /// What a descriptor is. It may have been closed between the listing and this: `other`.
    private static func target(_ name: String, in folder: CInt) -> Target {
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer in
            let count = readlinkat(
                folder, name, buffer.baseAddress!.assumingMemoryBound(to: CChar.self), buffer.count)
            guard count > 0 else { return .other }
            let link = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            if let inode = inode(ofSocket: link) { return .socket(inode) }
            if link.elementsEqual("anon_inode:[eventpoll]".utf8) { return .epoll }
            return link.elementsEqual("anon_inode:[io_uring]".utf8) ? .ring : .other
        }
    }
}

/// The direct descriptors in a ring's fdinfo, taken line by line.
struct RingTable {
    /// Places of the table; `nil`: the kernel left the table out.
    private(set) var places: Int?
    /// Of the sockets in it.
    private(set) var inodes: [UInt32] = []
    private var isInside = false

    /// Lines such as `    7: socket:[4711]` between `UserFiles:` and `UserBufs:`.
    mutating func add(_ line: UnsafeRawBufferPointer) {
        if line.starts(with: "UserFiles:".utf8) {
            let text = String(decoding: line.dropFirst(10), as: UTF8.self)
            places = Int(SysctlChange.normalised(text))
            isInside = true
        } else if line.starts(with: "UserBufs:".utf8) {
            isInside = false
        } else if isInside, let colon = line.firstIndex(of: UInt8(ascii: ":")) {
            // The index is padded to five columns only: do not count on a blank.
            let target = UnsafeRawBufferPointer(rebasing: line[(colon + 1)...])
            if let inode = DescriptorScan.inode(ofSocket: target) { inodes.append(inode) }
        }
    }
}
