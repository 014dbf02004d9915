// Answers that their peers have not taken: who must wait, and who goes so that others are served.

import ConnectionEngine

/// The buffers that each connection of a server has queued and not got rid of.
///
/// A peer that sends and does not read would otherwise take every buffer of its worker, and nobody
/// else would be received from. Three rules keep that from happening:
///
/// 1. A connection with more unsent buffers than its share is disarmed until half of them are sent;
///    its peer is then held back by TCP itself.
/// 2. The share is a 64th of the buffers that no answer has, and 64 at most: it shrinks while more
///    peers do not read, so that buffers are left for others (Choudhury and Hahne's dynamic
///    thresholds). Whenever it has halved, those that have more than it are disarmed at once.
/// 3. While unsent answers have more than a quarter of all buffers, a connection that got rid of
///    none for 0.5 to 1 s is reset.
///
/// Costs two bytes for each connection index that was ever in debt, and nothing per connection else.
struct UnsentAnswers: ~Copyable {
    /// Unsent buffers that one connection may have while there are plenty: 128 KiB of the default
    /// size, far above what a peer that reads ever has.
    static let shareMax = 64
    private static let part = 64
    /// Between two looks for connections that do not read, in nanoseconds.
    static let interval: UInt64 = 500_000_000

    private struct Debtor {
        enum Pace {
            /// Sent something since the last look, or is new.
            case moving
            /// Had sent nothing at the last look.
            case still
            /// A reset was asked for.
            case ending
        }

        let id: ConnectionID
        var buffers = 0
        var isDisarmed = false
        var pace = Pace.moving
    }

    /// All buffers of the worker.
    private let capacity: Int
    private(set) var total = 0
    private var debtors: [Debtor] = []
    /// Position in `debtors` and one more, by connection index; 0: none.
    private let positions: ConnectionArray<UInt16>
    private var lookedAt = MonotonicTime.zero
    /// The share when all debtors were last held against it.
    private var shareApplied = shareMax

    /// - Parameter operations: of a worker that has not received anything yet.
    init(_ operations: borrowing OperationQueue) {
        capacity = operations.freeBufferCount
        positions = ConnectionArray(count: operations.connectionIndexLimit)
        // Each has a buffer at least.
        debtors.reserveCapacity(capacity)
    }

    private var share: Int { min(Self.shareMax, max(0, (capacity - total) / Self.part)) }
    private var isPressed: Bool { total > capacity / 4 }

    /// A buffer was given to `send`.
    @inline(__always)
    mutating func queued(_ id: ConnectionID, _ operations: inout OperationQueue) {
        total += 1
        var position = Int(positions[Int(id.index)])
        if position == 0 {
            debtors.append(Debtor(id: id))
            position = debtors.count
            positions[Int(id.index)] = UInt16(position)
        }
        debtors[position - 1].buffers += 1
        let share = share
        disarmIfAbove(share, at: position, &operations)
        if share <= shareApplied / 2 { applyShare(&operations) }
    }

    @inline(__always)
    private mutating func disarmIfAbove(
        _ share: Int, at position: Int, _ operations: inout OperationQueue
    ) {
        guard debtors[position - 1].buffers > share, !debtors[position - 1].isDisarmed
        else { return }
        debtors[position - 1].isDisarmed = true
        operations.disarm(debtors[position - 1].id)
    }

    /// Few times while buffers run short: each time the share was halved.
    private mutating func applyShare(_ operations: inout OperationQueue) {
        guard shareApplied > 0 else { return }
        shareApplied = share
        for position in 1...debtors.count { disarmIfAbove(shareApplied, at: position, &operations) }
    }

    /// `.sent` has come.
    @inline(__always)
    mutating func sent(_ id: ConnectionID, _ operations: inout OperationQueue) {
        let position = Int(positions[Int(id.index)])
        guard position > 0, debtors[position - 1].id == id else { return }
        total -= 1
        let share = share
        raiseShare(to: share)
        debtors[position - 1].buffers -= 1
        if debtors[position - 1].pace == .still { debtors[position - 1].pace = .moving }
        if debtors[position - 1].isDisarmed, debtors[position - 1].buffers <= share / 2 {
            debtors[position - 1].isDisarmed = false
            operations.arm(id)
        }
        if debtors[position - 1].buffers == 0 { remove(at: position) }
    }

    /// `.closed` has come: what it had queued is lost.
    @inline(__always)
    mutating func closed(_ id: ConnectionID) {
        let position = Int(positions[Int(id.index)])
        guard position > 0, debtors[position - 1].id == id else { return }
        total -= debtors[position - 1].buffers
        raiseShare(to: share)
        remove(at: position)
    }

    /// Buffers have come back: from here on a halving counts from the larger share.
    @inline(__always)
    private mutating func raiseShare(to share: Int) {
        if share >= 2 * shareApplied { shareApplied = max(share, 1) }
    }

    private mutating func remove(at position: Int) {
        positions[Int(debtors[position - 1].id.index)] = 0
        let last = debtors.removeLast()
        if position <= debtors.count {
            debtors[position - 1] = last
            positions[Int(last.id.index)] = UInt16(position)
        }
    }

    /// Resets connections that have sent nothing since the look before the last one.
    /// Does nothing while there are buffers enough, or when the last look was just now.
    mutating func endStill(
        _ now: MonotonicTime, _ operations: inout OperationQueue
    ) -> EchoServerHandler.Eviction {
        guard isPressed else { return .init() }
        let due = lookedAt.advanced(byNanoseconds: Self.interval)
        if now < due { return .init(nextDue: due) }
        lookedAt = now
        var ended = 0
        for position in debtors.indices {
            switch debtors[position].pace {
            case .moving: debtors[position].pace = .still
            case .still:
                debtors[position].pace = .ending
                operations.abort(debtors[position].id)
                ended += 1
            case .ending: break
            }
        }
        return .init(ended: ended, nextDue: now.advanced(byNanoseconds: Self.interval))
    }
}
