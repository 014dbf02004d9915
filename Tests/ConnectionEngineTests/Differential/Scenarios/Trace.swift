// What one side of one connection has lived through, without what differs from run to run: times,
// pieces that bytes came in, the order between connections, and that between `.sent` and `.received`.

#if !SIMULATION
    import ConnectionEngine
#endif

/// Why a connection ended, as traces compare it.
enum Reason: Hashable, Sendable, CustomStringConvertible {
    case requested
    case endOfStream
    /// The name of an errno.
    case failed(String)

    static let reset = Reason.failed("ECONNRESET")
    static let brokenPipe = Reason.failed("EPIPE")

    init(_ reason: CloseReason) {
        switch reason {
        case .requested: self = .requested
        case .endOfStream: self = .endOfStream
        case .failed(let errno): self = .failed(errno.name)
        }
    }

    var description: String {
        switch self {
        case .requested: "requested"
        case .endOfStream: "endOfStream"
        case .failed(let name): "failed(\(name))"
        }
    }
}

/// One entry of a trace. Bytes count from the connection's beginning; what they say is no part of it,
/// because each byte is compared with the one that was sent (a violation otherwise).
enum Entry: Hashable, Sendable, CustomStringConvertible {
    case accepted
    case connected
    /// The script waited for so many bytes, and they came.
    case received(Int)
    /// The script waited for the answers to its sends; so many bytes were answered.
    case sent(Int)
    case reached(Mark)
    /// The last entry: its end, with the bytes that had come, and those whose sends had been
    /// answered, by then; `nil` where the scenario leaves them to chance.
    case closed(Reason, received: Int?, sent: Int?)
    /// Ended for one of the reasons that the scenario names.
    case closedAsNamed(received: Int?, sent: Int?)

    var description: String {
        func text(_ count: Int?) -> String { count.map(String.init) ?? "some" }
        return switch self {
        case .accepted: "accepted"
        case .connected: "connected"
        case .received(let count): "received \(count)"
        case .sent(let count): "sent \(count)"
        case .reached(let mark): "reached \(mark)"
        case .closed(let reason, let received, let sent):
            "closed \(reason), received \(text(received)), sent \(text(sent))"
        case .closedAsNamed(let received, let sent):
            "closed as the scenario allows, received \(text(received)), sent \(text(sent))"
        }
    }

    /// Without what the scenario leaves to chance.
    func normalised(_ freedom: Scenario.Freedom) -> Entry {
        guard case .closed(let reason, var received, var sent) = self else { return self }
        if freedom.received { received = nil }
        if freedom.sent { sent = nil }
        return freedom.closes.contains(reason)
            ? .closedAsNamed(received: received, sent: sent)
            : .closed(reason, received: received, sent: sent)
    }
}

/// The traces of a run, and what must hold for each run by itself.
struct Outcome: Sendable {
    /// By side and connection.
    var traces: [Side: [[Entry]]] = [:]
    var counters: [Side: Counters] = [:]
    /// Promises that were broken, in words.
    var violations: [String] = []
    /// The scripts did not come to their ends.
    var isStuck = false
}
