// What both sides know of every connection, and what contradicts it.

/// One connection, by the number that the client gave it.
struct ConnectionFacts {
    /// Bytes that each side gave to `send`, and got by `.received`.
    var clientSent = 0
    var clientReceived = 0
    var serverSent = 0
    var serverReceived = 0
    /// A side reset it, or ended it while the other one still had something to say.
    var wasAborted = false
    var serverEnded = false
    /// The client ended it after every send was answered.
    var clientEndedInOrder = false
    var clientReason: CloseReason?
    var serverReason: CloseReason?
    var hasSource = false
}

final class Ledger {
    var facts: [ConnectionFacts] = []
    /// No new connections, no delays from here on: both sides bring what there is to an end.
    var isDraining = false
    private(set) var violations: [String] = []
    /// What each connection of a run was like, for comparing two runs.
    var trace: UInt64 = 0xcbf2_9ce4_8422_2325

    func violation(_ text: String) {
        if violations.count < 20 { violations.append(text) }
    }

    func note(_ value: Int) {
        trace = (trace ^ UInt64(truncatingIfNeeded: value)) &* 0x100_0000_01b3
    }

    /// Connections that nothing has disturbed must have had every byte, and an end in order.
    func checkEnds(disturbed: Set<Int>) {
        for (number, fact) in facts.enumerated() {
            if fact.serverReceived > fact.clientSent {
                violation("connection \(number): the server received more than was sent")
            }
            // A server that never had four bytes does not know whose they were.
            if fact.serverReceived > 0, fact.clientReceived > fact.serverSent {
                violation("connection \(number): the client received more than was sent")
            }
            if disturbed.contains(number) || !disturbed.isEmpty && !fact.hasSource { continue }
            if fact.wasAborted || fact.serverEnded || !fact.clientEndedInOrder { continue }
            if fact.serverReceived != fact.clientSent {
                violation(
                    "connection \(number) ended in order: \(fact.clientSent) bytes sent,"
                        + " \(fact.serverReceived) received")
            }
            if fact.clientReason != .requested {
                violation(
                    "connection \(number) ended in order: the client was told"
                        + " \(String(describing: fact.clientReason))")
            }
            if let reason = fact.serverReason, reason != .endOfStream {
                violation("connection \(number) ended in order: the server was told \(reason)")
            }
        }
    }
}

/// The bytes of a connection: the first four are its number, so that the server knows it too.
enum Stream {
    @inline(__always)
    static func byte(_ number: Int, _ offset: Int) -> UInt8 {
        if offset < 4 { return UInt8(truncatingIfNeeded: number >> (8 * offset)) }
        let mixed =
            UInt64(offset) &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(number) &* 0xbf58_476d_1ce4_e5b9
        return UInt8(truncatingIfNeeded: mixed >> 29)
    }
}
