// Peers that mean harm, as a handler of the engine: when they come, and when the attack is over.

import ConnectionEngine

@testable import ConnectionBench

/// What an attack consists of, and how fast it goes.
struct AttackPlan: Sendable {
    enum Kind: String, Sendable {
        /// Random bytes of random lengths, whose echo is read and checked.
        case garbage
        /// As many bytes as the server takes, and no answer is ever read.
        case oversize
        /// A byte now and then on each of many connections.
        case slowloris
        /// Connections that never say anything.
        case silent
        /// A reset in the midst of a message.
        case resets
        /// Connect, and close at once.
        case storm
    }

    var kind: Kind
    /// Payloads of garbage, else connections; oversize opens further ones for those that were reset.
    var count: Int
    /// Of `count`.
    var perSecond: Double
    /// Connections that are open at once, at most.
    var atOnce: Int
    /// How long connections are kept once all are there.
    var holdSeconds = 0.0
    /// Of slowloris: the time between two bytes of a connection.
    var byteEverySeconds = 5.0
    /// Of oversize.
    var bytesPerSecond = 64e6
}

/// How an attack goes; filled by its handler.
final class AttackRecord: Sendable {
    struct State: Sendable {
        /// Payloads echoed, connections made or ended as planned, or (oversize) made.
        var done = 0
        var open = 0
        var connectFailures = 0
        /// Connections that the server has ended.
        var endedByServer = 0
        var bytesSent = 0
        var wrong = 0
        var isOver = false
    }

    private let storage = Locked(State())

    var state: State { storage.withLock { $0 } }

    func set(_ state: State) { storage.withLock { $0 = state } }
}

struct AttackHandler: Handler {
    struct Peer {
        let id: ConnectionID
        let number: UInt32
        var isOpen = false
        var sequence: UInt32 = 0
        var received = 0
        var isWaiting = false
        /// We have asked for its end.
        var isEnding = false
    }

    let plan: AttackPlan
    let destination: SocketAddress
    let record: AttackRecord
    var state = AttackRecord.State()
    var peers: [UInt32: Peer] = [:]
    /// Connections in the order in which they were made, for those attacks that go around.
    var round: [UInt32] = []
    var roundPosition = 0
    /// Connects asked for.
    private(set) var begun: UInt32 = 0
    /// Payloads, bytes or connections that were done so far, against the time that it may take.
    var spent = 0.0
    private let startedAt = MonotonicTime.now
    private var heldSince: MonotonicTime?

    init(_ plan: AttackPlan, to destination: SocketAddress, record: AttackRecord) {
        self.plan = plan
        self.destination = destination
        self.record = record
    }

    /// Every 2 ms while the attack goes on.
    var nextDue: MonotonicTime? {
        state.isOver ? nil : MonotonicTime.now.advanced(byNanoseconds: 2_000_000)
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        for index in 0..<completions.count {
            switch completions[index] {
            case .connected(let id):
                peers[id.index]?.isOpen = true
                state.open += 1
                connected(id, &operations)
            case .received(let id, let buffer, let byteCount):
                received(id, buffer, Int(byteCount), &operations)
                operations.release(buffer)
            case .sent(let id): sent(id, &operations)
            case .closed(let id, let reason): closed(id, reason)
            case .accepted: break
            }
        }
        if !state.isOver { goOn(completions.reapedAt, &operations) }
        record.set(state)
    }

    // MARK: Pace

    /// How many of something may have been done by now, at so many per second.
    func allowance(_ perSecond: Double, _ now: MonotonicTime) -> Double {
        now.seconds(since: startedAt) * perSecond
    }

    private mutating func goOn(_ now: MonotonicTime, _ operations: inout OperationQueue) {
        openMore(now, &operations)
        switch plan.kind {
        case .garbage: sendGarbage(now, &operations)
        case .oversize: flood(now, &operations)
        case .slowloris: drip(now, &operations)
        case .silent, .resets, .storm: break
        }
        if isComplete {
            if heldSince == nil { heldSince = now }
            if let heldSince, now.seconds(since: heldSince) >= plan.holdSeconds {
                state.isOver = true
                for peer in peers.values { operations.abort(peer.id) }
            }
        }
    }

    private var isComplete: Bool {
        switch plan.kind {
        case .garbage, .resets, .storm: state.done >= plan.count
        // Those that the server has ended already need not be there any more.
        case .slowloris, .silent: state.done >= plan.count
        case .oversize: state.done >= plan.count
        }
    }

    private mutating func openMore(_ now: MonotonicTime, _ operations: inout OperationQueue) {
        let wanted: Int
        switch plan.kind {
        case .garbage: wanted = plan.atOnce - peers.count
        case .oversize:
            wanted = min(
                plan.atOnce - peers.count, Int(allowance(plan.perSecond, now)) - Int(begun))
        case .slowloris, .silent, .resets, .storm:
            let left = plan.count - state.done - (peers.values.isEmpty ? 0 : unfinished)
            let due = Int(allowance(plan.perSecond, now)) - Int(begun) + state.connectFailures
            wanted = min(plan.atOnce - peers.count, left, due)
        }
        // No more at a time than the server's accept queue holds with ease.
        for _ in 0..<max(0, min(wanted, 256)) {
            // An address for each thousand: a port is found at once, whatever is in TIME_WAIT.
            let source = SocketAddress(ipv4: 0x7f42_0000 + begun / 1_000 % 60_000 + 1, port: 0)
            guard let id = operations.connect(from: source, to: destination) else { return }
            peers[id.index] = Peer(id: id, number: begun)
            begun += 1
        }
    }

    /// Connections that are there and have not done what counts.
    private var unfinished: Int {
        switch plan.kind {
        // It counts when it is made.
        case .slowloris, .silent: peers.count - state.open
        // It counts when it has ended.
        default: peers.count
        }
    }

    private mutating func closed(_ id: ConnectionID, _ reason: CloseReason) {
        guard let peer = peers.removeValue(forKey: id.index) else { return }
        if peer.isOpen {
            state.open -= 1
            if case .requested = reason {} else { state.endedByServer += 1 }
            if plan.kind == .resets || plan.kind == .storm { state.done += 1 }
        } else {
            state.connectFailures += 1
        }
    }
}
