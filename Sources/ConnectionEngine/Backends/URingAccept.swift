// Accepting on io_uring: multishot into one ring's direct table at a time.

import Glibc

/// One listening socket and the accept request that serves it.
struct URingAcceptor {
    let listener: CInt
    var ring = 0
    var state = State.idle
    /// Coarse time before which a failed accept is not tried again.
    var pausedUntil: UInt32 = 0

    enum State {
        /// No request with the kernel: at the start, after an error, or because all rings are full.
        case idle
        case armed
        /// The ring is nearly full: a cancel is on its way.
        case cancelling
    }
}

extension URingBackend {
    /// Arms every idle acceptor that finds a ring with room.
    mutating func armAcceptors() throws(SystemError) {
        hasIdleAcceptor = false
        hasPausedAcceptor = false
        for index in acceptors.indices where acceptors[index].state == .idle {
            hasIdleAcceptor = true
            if Int32(bitPattern: coarseTime &- acceptors[index].pausedUntil) < 0 {
                hasPausedAcceptor = true
                continue
            }
            guard let ring = try ringWithRoom() else { continue }
            // Before Linux 6.16 an accept that finds clients at once may be reported ahead of the
            // close, submitted in the same entry, that freed its slot.
            if layout.isDirect { try submitQueued(ring) }
            try reserve(1, in: ring)
            rings[ring].prepareAccept(
                listener: acceptors[index].listener, index: UInt32(index),
                multishot: isMultishotAccept, direct: layout.isDirect)
            acceptors[index].ring = ring
            acceptors[index].state = .armed
            armedInRing[ring] += 1
        }
    }

    /// An accepting ring that can take what one entry brings at most, from each of its listeners.
    private mutating func ringWithRoom() throws(SystemError) -> Int? {
        if table.openCount >= layout.connections { return nil }
        guard layout.isDirect else { return 0 }
        for ring in 0..<layout.acceptRings {
            let armed = acceptors.count { $0.state != .idle && $0.ring == ring }
            if liveInRing[ring] + layout.acceptReserve * UInt32(armed + 1) <= layout.slotsPerRing {
                while ring >= ringCount { try addRing() }
                return ring
            }
        }
        return nil
    }

    mutating func completeAccept(
        _ completion: URing.Completion, ring: Int, into batch: inout CompletionBatch
    ) throws(SystemError) {
        let index = Int(completion.userData.id.index)
        if completion.result >= 0 {
            try accepted(completion.result, ring: ring, into: &batch)
        } else if completion.result != -ECANCELED {
            acceptFailed(-completion.result, index, ring: ring)
        }
        if !completion.isMore {
            if acceptors[index].state == .armed { armedInRing[ring] -= 1 }
            if acceptors[index].state == .armed, completion.result >= 0, isMultishotAccept {
                counters.rearms += 1
            }
            acceptors[index].state = .idle
            hasIdleAcceptor = true
        } else if acceptors[index].state == .armed, isNearlyFull(ring) {
            try reserve(1, in: ring)
            rings[ring].prepareCancel(
                UserData(.accept, index: UInt32(index)), completion.userData.id)
            acceptors[index].state = .cancelling
            armedInRing[ring] -= 1
        }
    }

    private var isMultishotAccept: Bool {
        features.contains(.multishotAccept) && !layout.acceptsSingly
    }

    /// Each listener armed on the ring may bring its reserve in the next entry.
    private func isNearlyFull(_ ring: Int) -> Bool {
        if table.openCount >= layout.connections { return true }
        return layout.isDirect
            && liveInRing[ring] + layout.acceptReserve * armedInRing[ring] > layout.slotsPerRing
    }

    private mutating func accepted(
        _ result: Int32, ring: Int, into batch: inout CompletionBatch
    ) throws(SystemError) {
        let id: ConnectionID
        if layout.isDirect {
            let index = UInt32(ring) * layout.slotsPerRing + UInt32(result)
            id = table.claim(index, .open)
            liveInRing[ring] += 1
        } else if let taken = table.take(.open, fd: result) {
            id = taken
        } else {
            // More came than the worker may hold, before the cancel took effect.
            closeDescriptor(result)
            counters.acceptTableFull += 1
            return
        }
        counters.accepted += 1
        batch.append(.accepted(id))
    }

    private mutating func acceptFailed(_ code: CInt, _ index: Int, ring: Int) {
        switch code {
        // With free slots left, it is the system's limit on files that speaks.
        case ENFILE where layout.isDirect && liveInRing[ring] >= layout.slotsPerRing:
            counters.acceptTableFull += 1
        case EINTR, ECONNABORTED, EAGAIN:
            counters.rearms += 1
        default:
            // EMFILE, ENFILE, ENOBUFS, ENOMEM: the clients stay in the queue; try again in 100 ms.
            counters.acceptFailed(code, at: .accept)
            acceptors[index].pausedUntil = coarseTime &+ UInt32(acceptPause >> 20)
        }
    }
}
