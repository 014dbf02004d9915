// What a load client knows of each of its connections, and the order in which it serves them.

import ConnectionEngine

/// A connection's state, 16 bytes; all zero bits: no connection.
struct Link: BitwiseCopyable {
    /// When the oldest outstanding request was due; while opening, when the connect was; 0: none.
    var dueNanoseconds: UInt64
    /// From the lowest bit on: the number of the newest request (20 bits, never 0 once there was
    /// one), the requests outstanding (7 bits), and five flags.
    private var bits: UInt32
    /// Bytes of the oldest outstanding answer that have come.
    var received: UInt32

    private static let sequenceMask: UInt32 = 0x000f_ffff
    private static let countShift: UInt32 = 20
    private static let countMask: UInt32 = 0x07f0_0000
    private static let retiring: UInt32 = 0x0800_0000
    private static let listed: UInt32 = 0x1000_0000
    private static let opening: UInt32 = 0x2000_0000
    private static let unmeasured: UInt32 = 0x4000_0000
    private static let open: UInt32 = 0x8000_0000

    /// The highest number that a request may have.
    static let sequenceMax = sequenceMask

    /// Its connect is on its way.
    static func opening(due: MonotonicTime) -> Link {
        Link(dueNanoseconds: due.nanoseconds, bits: opening, received: 0)
    }

    /// It exists, and no request is outstanding.
    static let idle = Link(dueNanoseconds: 0, bits: open, received: 0)

    static let none = Link(dueNanoseconds: 0, bits: 0, received: 0)

    var due: MonotonicTime { MonotonicTime(nanoseconds: dueNanoseconds) }
    /// The newest request's number; 0: there was none.
    var sequence: UInt32 {
        get { bits & Link.sequenceMask }
        set { bits = bits & ~Link.sequenceMask | newValue }
    }
    /// Requests without a whole answer.
    var outstanding: Int {
        get { Int((bits & Link.countMask) >> Link.countShift) }
        set { bits = bits & ~Link.countMask | UInt32(newValue) << Link.countShift }
    }
    var isOpen: Bool { bits & Link.open != 0 }
    var isOpening: Bool { bits & Link.opening != 0 }
    /// Open, and no request is outstanding.
    var isIdle: Bool { isOpen && dueNanoseconds == 0 }
    /// Open, and has room for a request.
    func canTake(depth: Int) -> Bool {
        isOpen && !isShed && !isRetiring && outstanding < depth
    }
    /// The answer to its oldest outstanding request is not measured: it belongs to a warm-up, or was
    /// counted as censored.
    var isUnmeasured: Bool {
        get { bits & Link.unmeasured != 0 }
        set { bits = newValue ? bits | Link.unmeasured : bits & ~Link.unmeasured }
    }
    /// Its replacement is on its way, and it ends with its last answer.
    var isRetiring: Bool {
        get { bits & Link.retiring != 0 }
        set { bits = newValue ? bits | Link.retiring : bits & ~Link.retiring }
    }
    /// It is being given up; its end is awaited.
    var isShed: Bool { dueNanoseconds == .max }

    /// From here on nothing is outstanding on it.
    mutating func shed() {
        dueNanoseconds = .max
        outstanding = 0
    }

    /// Of use to ``LinkTable/closeGaps()`` only.
    fileprivate var isListed: Bool {
        get { bits & Link.listed != 0 }
        set { bits = newValue ? bits | Link.listed : bits & ~Link.listed }
    }
}

/// The links of one worker, by connection and by position in the order of their connects.
struct LinkTable: ~Copyable {
    private let links: ConnectionArray<Link>
    /// Every connection that was asked for. One that failed or was lost stays as a gap until
    /// `closeGaps`; when its index is in use again, the gap looks like the newer connection.
    private let order: ConnectionArray<ConnectionID>
    /// Positions in the order, gaps included.
    private(set) var count = 0
    private var hasGaps = false

    /// - Parameter connectsMax: connects in the table's whole life.
    init(indexLimit: Int, connectsMax: Int) {
        links = ConnectionArray(count: indexLimit)
        order = ConnectionArray(count: connectsMax)
    }

    subscript(id: ConnectionID) -> Link {
        @inline(__always) get { links[Int(id.index)] }
        @inline(__always) nonmutating set { links[Int(id.index)] = newValue }
    }

    func id(at position: Int) -> ConnectionID { order[position] }

    mutating func append(_ id: ConnectionID, _ link: Link) {
        links[Int(id.index)] = link
        order[count] = id
        count += 1
    }

    mutating func remove(_ id: ConnectionID) {
        links[Int(id.index)] = .none
        hasGaps = true
    }

    /// Leaves each connection once in the order. Without it a lost connection whose index is in use
    /// again would be served under its old id, and wait for an answer without end.
    mutating func closeGaps() {
        guard hasGaps else { return }
        hasGaps = false
        // Of two entries with one index the later one is the connection that exists.
        var kept = count
        for position in stride(from: count - 1, through: 0, by: -1) {
            let id = order[position]
            let link = links[Int(id.index)]
            guard link.isOpen || link.isOpening, !link.isListed else { continue }
            links[Int(id.index)].isListed = true
            kept -= 1
            order[kept] = id
        }
        for position in kept..<count {
            let id = order[position]
            links[Int(id.index)].isListed = false
            order[position - kept] = id
        }
        count -= kept
    }

    mutating func removeAll() {
        count = 0
    }

    /// Open connections without a first whole answer, or with one outstanding.
    var neverEchoedCount: Int {
        (0..<count).count { position in
            let link = self[order[position]]
            return link.isOpen && (link.sequence == 0 || link.dueNanoseconds != 0)
        }
    }
}
