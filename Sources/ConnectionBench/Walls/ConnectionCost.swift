// What a loopback connection costs in memory with each backend, term by term.

import ConnectionEngine

/// A prediction from measured sizes, with both ends on this machine and all of them idle.
///
/// The sizes were measured on Linux 6.18, x86_64, as bytes of slab pages per object. They differ a
/// little between kernels: a run reports what it has really cost.
public struct ConnectionCost: Codable, Hashable, Sendable {
    public struct Term: Codable, Hashable, Sendable {
        public let name: String
        public let bytes: Int
        /// How many of it one connection needs, both ends together.
        public let count: Int
        public let origin: String
    }

    public let backend: BackendKind
    public let terms: [Term]

    /// What this machine was measured to need, if it was.
    public let calibration: Calibration?

    /// Measured, or the sum of the terms.
    public var bytesPerConnection: Int {
        if let calibration { return max(1, calibration.bytesPerConnection) }
        return terms.reduce(0) { $0 + $1.bytes * $1.count }
    }

    /// The part of it that a memory control group counts.
    public var chargedBytesPerConnection: Int {
        calibration?.chargedBytesPerConnection ?? max(1, bytesPerConnection - Self.unchargedBytes)
    }

    /// What the processes take before the first connection.
    public var fixedBytes: Int { calibration?.fixedBytes ?? 0 }

    /// The part of it that a memory control group counts.
    var chargedFixedBytes: Int { calibration?.chargedFixedBytes ?? fixedBytes }

    static func text(fixed bytes: Int) -> String {
        bytes > 0 ? " and \(Count.format(bytes: bytes)) for the processes" : ""
    }

    public init(_ backend: BackendKind, calibration: Calibration? = nil) {
        self.backend = backend
        self.calibration = calibration
        switch backend {
        case .uring: terms = Self.ofEvery + [Self.armedPoll, Self.resourceNode, Self.userState]
        case .epoll: terms = Self.ofEvery + [Self.epollItem, Self.userState]
        case .threads: terms = Self.ofEvery + [Self.parkedThread]
        }
    }

    private static let ofEvery = [socket, bindBucket]

    private static let socket = Term(
        name: "TCP socket", bytes: 3_829, count: 2,
        origin: "slabs TCP 2,521, sock_inode_cache 862, filp 195, dentry 195, lsm 56")
    private static let bindBucket = Term(
        name: "bound source address and port", bytes: 144, count: 1,
        origin: "slab of inet_bind2_bucket 128, and a share of inet_bind_bucket")
    /// Only the server waits in the kernel for data; an idle client has nothing armed.
    private static let armedPoll = Term(
        name: "armed poll of the server's socket", bytes: 256, count: 1,
        origin: "slab io_kiocb 256")
    private static let resourceNode = Term(
        name: "direct descriptor", bytes: 32, count: 2, origin: "io_rsrc_node in kmalloc-32")
    private static let userState = Term(
        name: "state of the engine", bytes: 64, count: 2, origin: "user memory, a slot per end")
    private static let epollItem = Term(
        name: "epoll item", bytes: 208, count: 2,
        origin: "slabs eventpoll_epi 128, ep_head 16, eppoll_entry 64")
    private static let parkedThread = Term(
        name: "parked thread", bytes: 34_000, count: 2,
        origin: "kernel stack and task 25,500, page tables, user stack 8,500")

    /// Of the accepted socket this much is not charged to a control group: the kernel allocates it
    /// in softirq, on nobody's behalf.
    static let unchargedBytes = 2_521
}
