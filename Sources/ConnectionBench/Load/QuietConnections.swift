// Connections that have been quiet for too long: silent from the start, idle, or gone unnoticed.

import ConnectionEngine

/// How long a server keeps connections on which nothing happens.
struct QuietLimits: Codable, Hashable, Sendable {
    /// Seconds in which no byte comes and no answer goes, after which a connection is reset.
    var idleSeconds: Double
    /// The same from its accept to its first byte.
    var firstByteSeconds: Double

    /// Looks go on for this many steps of the shorter time at least.
    fileprivate var stepSeconds: Double {
        // A connection's age has 8 bits.
        max(min(idleSeconds, firstByteSeconds) / 8, max(idleSeconds, firstByteSeconds) / 250)
    }
}

/// Ages of all connections of a worker in coarse steps: eight bytes each, no timer, no list.
///
/// Every eighth of the shorter limit the whole table is looked through, 10,000 connections in some
/// 20 µs; so a connection goes up to one step late, and never early. A thousand that came together do
/// not end in one turn, in which all others would wait for some 10 ms: a look pauses after a few.
struct QuietConnections: ~Copyable {
    struct Entry {
        var generation: UInt32
        /// Looks since something happened.
        var age: UInt8
        var state: State
    }

    enum State: UInt8 {
        /// No connection.
        case none
        /// It has not sent anything yet.
        case silent
        case heard
        /// A reset was asked for.
        case ending
    }

    /// Resets of one turn, each some 10 µs of the kernel's.
    private static let endsPerTurn = 32
    private static let pauseNanoseconds: UInt64 = 1_000_000

    private let entries: ConnectionArray<Entry>
    private let stepNanoseconds: UInt64
    private let idleSteps: UInt8
    private let silentSteps: UInt8
    /// Exclusive upper bound of the indices that were ever used.
    private var used = 0
    /// Where the look goes on; 0: the next one begins.
    private var position = 0
    private var lookBegan = MonotonicTime.zero
    private(set) var nextDue: MonotonicTime

    init(_ limits: QuietLimits, indexLimit: Int, from now: MonotonicTime) {
        let step = limits.stepSeconds
        stepNanoseconds = UInt64(step * 1e9)
        idleSteps = UInt8((limits.idleSeconds / step).rounded(.up))
        silentSteps = UInt8((limits.firstByteSeconds / step).rounded(.up))
        entries = ConnectionArray(count: indexLimit)
        nextDue = now.advanced(byNanoseconds: stepNanoseconds)
    }

    mutating func opened(_ id: ConnectionID) {
        let index = Int(id.index)
        used = max(used, index + 1)
        entries[index] = Entry(generation: id.generation, age: 0, state: .silent)
    }

    /// Bytes came, or an answer went.
    func stirred(_ id: ConnectionID) {
        let index = Int(id.index)
        guard entries[index].generation == id.generation else { return }
        entries[index].age = 0
        if entries[index].state == .silent { entries[index].state = .heard }
    }

    func closed(_ id: ConnectionID) {
        let index = Int(id.index)
        if entries[index].generation == id.generation { entries[index].state = .none }
    }

    /// Resets those whose time is over; does nothing before ``nextDue``.
    mutating func endQuiet(
        _ now: MonotonicTime, _ operations: inout OperationQueue
    ) -> EchoServerHandler.Eviction {
        guard now >= nextDue else { return .init(nextDue: nextDue) }
        if position == 0 { lookBegan = now }
        var ended = 0
        while position < used, ended < Self.endsPerTurn {
            if isOver(at: position) {
                operations.abort(
                    ConnectionID(index: UInt32(position), generation: entries[position].generation))
                ended += 1
            }
            position += 1
        }
        if position < used {
            nextDue = now.advanced(byNanoseconds: Self.pauseNanoseconds)
        } else {
            position = 0
            // A worker that comes late lets nobody age by more than one step.
            nextDue = lookBegan.advanced(byNanoseconds: stepNanoseconds)
        }
        return .init(ended: ended, nextDue: nextDue)
    }

    /// Lets a connection age by one step.
    private func isOver(at index: Int) -> Bool {
        let limit: UInt8
        switch entries[index].state {
        case .none, .ending: return false
        case .silent: limit = silentSteps
        case .heard: limit = idleSteps
        }
        // The first step of an age is only a part of one.
        if entries[index].age <= limit {
            entries[index].age += 1
            return false
        }
        entries[index].state = .ending
        return true
    }
}
