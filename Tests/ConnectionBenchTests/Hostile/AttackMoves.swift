// What each kind of harmful peer does with its connection.

import ConnectionEngine

@testable import ConnectionBench

extension AttackHandler {
    mutating func connected(_ id: ConnectionID, _ operations: inout OperationQueue) {
        switch plan.kind {
        case .garbage:
            operations.arm(id)
            round.append(id.index)
        case .slowloris:
            operations.arm(id)
            round.append(id.index)
            state.done += 1
        case .silent:
            // Armed to hear when the server ends it.
            operations.arm(id)
            state.done += 1
        case .oversize:
            state.done += 1
            round.append(id.index)
        case .resets: beginMessage(id, &operations)
        case .storm:
            peers[id.index]?.isEnding = true
            operations.close(id)
        }
    }

    // MARK: Resets

    /// In turn: reset with bytes on their way, when they are with the kernel, or when the answer has
    /// begun to come.
    private mutating func beginMessage(_ id: ConnectionID, _ operations: inout OperationQueue) {
        guard let peer = peers[id.index] else { return }
        for sequence in 0..<3 { send(id, peer.number, UInt32(sequence), &operations) }
        switch peer.number % 3 {
        case 0: end(id, &operations)
        case 1: break
        default: operations.arm(id)
        }
    }

    private mutating func end(_ id: ConnectionID, _ operations: inout OperationQueue) {
        guard peers[id.index]?.isEnding == false else { return }
        peers[id.index]?.isEnding = true
        operations.abort(id)
    }

    mutating func sent(_ id: ConnectionID, _ operations: inout OperationQueue) {
        if plan.kind == .resets, let peer = peers[id.index], peer.number % 3 == 1 {
            end(id, &operations)
        }
        if plan.kind == .oversize { peers[id.index]?.isWaiting = false }
    }

    mutating func received(
        _ id: ConnectionID, _ buffer: Buffer, _ count: Int, _ operations: inout OperationQueue
    ) {
        if plan.kind == .resets { end(id, &operations) }
        guard plan.kind == .garbage, let peer = peers[id.index] else { return }
        let pattern = MessagePattern(connection: peer.number, sequence: peer.sequence)
        let size = Self.size(pattern)
        let isRight =
            peer.isWaiting && peer.received + count <= size
            && operations.withBytes(of: buffer, byteCount: count) {
                pattern.matches($0, from: peer.received)
            }
        if !isRight { state.wrong += 1 }
        peers[id.index]?.received += count
        guard peer.received + count >= size else { return }
        peers[id.index]?.isWaiting = false
        peers[id.index]?.received = 0
        peers[id.index]?.sequence += 1
        state.done += 1
    }

    // MARK: Bytes

    static func size(_ pattern: MessagePattern) -> Int { 1 + Int(pattern.sizeDraw % 4_096) }

    @discardableResult
    private mutating func send(
        _ id: ConnectionID, _ number: UInt32, _ sequence: UInt32, byteCount: Int? = nil,
        _ operations: inout OperationQueue
    ) -> Bool {
        guard let buffer = operations.takeBuffer() else { return false }
        let pattern = MessagePattern(connection: number, sequence: sequence)
        let size = byteCount ?? Self.size(pattern)
        operations.withMutableBytes(of: buffer, byteCount: size) { pattern.fill(&$0) }
        operations.send(id, buffer, byteCount: size)
        state.bytesSent += size
        return true
    }

    /// One payload on each connection in turn that has got its last one back.
    mutating func sendGarbage(_ now: MonotonicTime, _ operations: inout OperationQueue) {
        let allowed = min(allowance(plan.perSecond, now), Double(plan.count))
        for _ in 0..<round.count where spent < allowed {
            guard let peer = nextInRound() else { return }
            if peer.isWaiting { continue }
            guard send(peer.id, peer.number, peer.sequence, &operations) else { return }
            peers[peer.id.index]?.isWaiting = true
            spent += 1
        }
    }

    /// A buffer on each connection in turn that got rid of its last one.
    mutating func flood(_ now: MonotonicTime, _ operations: inout OperationQueue) {
        let allowed = allowance(plan.bytesPerSecond, now)
        for _ in 0..<round.count where spent < allowed {
            guard let peer = nextInRound() else { return }
            if peer.isWaiting { continue }
            let size = operations.bufferByteCount
            guard send(peer.id, peer.number, peer.sequence, byteCount: size, &operations)
            else { return }
            peers[peer.id.index]?.isWaiting = true
            spent += Double(size)
        }
        // What could not be sent in time is not caught up with.
        spent = max(spent, allowed - plan.bytesPerSecond / 100)
    }

    /// A byte on each connection in turn, each in its time.
    mutating func drip(_ now: MonotonicTime, _ operations: inout OperationQueue) {
        let perSecond = Double(plan.count) / plan.byteEverySeconds
        let allowed = allowance(perSecond, now)
        // What could not be sent in time is not caught up with: slow is what this attack is.
        spent = max(spent, allowed - perSecond / 10)
        for _ in 0..<round.count where spent < allowed {
            spent += 1
            guard let peer = nextInRound() else { return }
            send(peer.id, peer.number, peer.sequence, byteCount: 1, &operations)
            peers[peer.id.index]?.sequence += 1
        }
    }

    /// The next connection that is still there; those that have gone leave the round.
    private mutating func nextInRound() -> Peer? {
        while !round.isEmpty {
            if roundPosition >= round.count { roundPosition = 0 }
            if let peer = peers[round[roundPosition]], peer.isOpen, !peer.isEnding {
                roundPosition += 1
                return peer
            }
            round.swapAt(roundPosition, round.count - 1)
            round.removeLast()
        }
        return nil
    }
}
