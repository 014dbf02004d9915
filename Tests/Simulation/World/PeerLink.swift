// One connection as a handler of the simulation sees it, and every promise of the seam about it.

struct PeerLink {
    enum Phase {
        case none, opening, open
        /// Close or abort was asked.
        case ending
    }

    var id = ConnectionID(index: 0, generation: 0)
    var phase = Phase.none
    var endedAt = MonotonicTime.zero
    /// -1: not yet known (server).
    var number = -1
    var received = 0
    var sent = 0
    var unanswered = 0
    var isArmed = false
    var isOnce = false
    // The client's plan.
    var messagesLeft = 0
    /// Ends by itself, after so many received bytes; -1: when it has everything.
    var endsAfter = -1
    var abortsAtEnd = false
    /// The server's: the first bytes of the stream.
    var header: [UInt8] = []

    /// Buffers that wait to be echoed, with their bytes: the handler is slow.
    var held: [(buffer: Buffer, byteCount: Int)] = []
}

/// What number says about the server's behaviour, known to both sides.
struct ServerBehaviour {
    /// Ends the connection after so many bytes; -1: never.
    let endsAfter: Int
    let aborts: Bool

    init(number: Int, seed: UInt64) {
        var chance = SimulatedChance(seed: seed ^ UInt64(number) &* 0x9e37_79b9)
        endsAfter = chance.once(in: 6) ? chance.within(5...60) : -1
        aborts = chance.once(in: 3)
    }
}
