// Accepting on io_uring: multishot into one ring's direct table at a time, and one by one where
// places are few.

import Glibc

/// One listening socket and the accept requests that serve it.
struct URingAcceptor {
    let listener: CInt
    /// The ring of the multishot request.
    var ring = 0
    var state = State.idle
    /// Requests with the kernel that bring one client each.
    var singles: UInt32 = 0
    /// Coarse time before which a failed accept is not tried again.
    var pausedUntil: UInt32 = 0
    /// The newest answer was a failure: one request at a time tries whether that is over. Sixteen
    /// would be 160 failures a second.
    var hasFailed = false

    /// The multishot request.
    enum State {
        /// Not with the kernel: at the start, after an error, or because places are few.
        case idle
        case armed
        /// Places have become few: a cancel is on its way.
        case cancelling
    }
}

/// Requests for one client each that a lone listener keeps armed: enough that a turn accepts as
/// many as its handler is given events of other kinds.
private let singlesMax: UInt32 = 16

extension URingBackend {
    /// Where an accept request may go.
    private enum Place {
        case ring(Int)
        /// The worker is full; a close will make room.
        case none
        /// A ring is needed and cannot be made.
        case failed(CInt)
    }

    /// Arms every acceptor that has no multishot request and finds places.
    mutating func armAcceptors() throws(SystemError) {
        hasIdleAcceptor = false
        hasPausedAcceptor = false
        for index in acceptors.indices where acceptors[index].state == .idle {
            if isBefore(acceptors[index].pausedUntil) {
                hasIdleAcceptor = true
                hasPausedAcceptor = true
            } else if let ring = ringForMany() {
                acceptors[index].ring = ring
                acceptors[index].state = .armed
                armedInRing[ring] += 1
                try armAccept(index, ring, multishot: true)
            } else {
                try armSingles(index)
            }
        }
    }

    private mutating func armSingles(_ index: Int) throws(SystemError) {
        let isLone = acceptors.count == 1 && features.contains(.multishotAccept)
        while acceptors[index].singles < (isLone ? singlesMax : 1) {
            // No ring is made for a request in stock.
            switch ringForOne(makesRing: acceptors[index].singles == 0) {
            case .ring(let ring):
                acceptors[index].singles += 1
                singlesInRing[ring] += 1
                singlesCount += 1
                try armAccept(index, ring, multishot: false)
                // Beside those that wait already: they wait for the next client, and those in the
                // queue wake nobody any more.
                if acceptors[index].hasFailed { return }
            case .failed(let code):
                acceptors[index].pausedUntil = afterPause
                hasIdleAcceptor = true
                hasPausedAcceptor = true
                // A listener without a client has lost nothing by it.
                if Kernel.hasClient(acceptors[index].listener) {
                    counters.acceptFailed(code, at: .ring)
                }
                return
            case .none: return
            }
        }
    }

    private mutating func armAccept(
        _ index: Int, _ ring: Int, multishot: Bool
    ) throws(SystemError) {
        // Before Linux 6.16 an accept that finds clients at once may be reported ahead of the
        // close, submitted in the same entry, that freed its slot.
        if closesQueued[ring] { try submitQueued(ring) }
        try reserve(1, in: ring)
        rings[ring].prepareAccept(
            listener: acceptors[index].listener, index: UInt32(index), multishot: multishot,
            direct: layout.isDirect)
    }

    /// A ring that can take what one entry brings at most, from each of its listeners, and leaves a
    /// place for each of the others.
    private mutating func ringForMany() -> Int? {
        guard features.contains(.multishotAccept) else { return nil }
        let needed = layout.acceptReserve + UInt32(acceptors.count - 1)
        let expected = layout.acceptReserve * UInt32(acceptors.count { $0.state != .idle })
        guard table.openCount + singlesCount + expected + needed <= layout.connections
        else { return nil }
        guard layout.isDirect else { return 0 }
        for ring in 0..<min(ringCount, layout.acceptRings)
        where takenSlots(ring) + needed <= layout.slotsPerRing {
            return ring
        }
        guard needed <= layout.slotsPerRing, ringCount < layout.acceptRings,
            !isBefore(ringPausedUntil), addRing() == 0
        else { return nil }
        return ringCount - 1
    }

    /// A ring with a slot for one more client.
    private mutating func ringForOne(makesRing: Bool) -> Place {
        // A lone listener's requests bring no more than the worker may hold. With several, each may
        // bring one more: else a client of one could wait for a place kept for another's.
        let expected = acceptors.count == 1 ? singlesCount : 0
        guard table.openCount + expected < layout.connections else { return .none }
        guard layout.isDirect else { return .ring(0) }
        for ring in 0..<min(ringCount, layout.acceptRings)
        where takenSlots(ring) < layout.slotsPerRing {
            return .ring(ring)
        }
        guard makesRing, ringCount < layout.acceptRings else { return .none }
        if isBefore(ringPausedUntil) { return .failed(lastRingFailure) }
        let code = addRing()
        return code == 0 ? .ring(ringCount - 1) : .failed(code)
    }

    /// Slots of an accepting ring that are in use or may be after its next entry.
    private func takenSlots(_ ring: Int) -> UInt32 {
        let multishots = UInt32(acceptors.count { $0.state != .idle && $0.ring == ring })
        return liveInRing[ring] + singlesInRing[ring] + layout.acceptReserve * multishots
    }

    private func isBefore(_ time: UInt32) -> Bool { Int32(bitPattern: coarseTime &- time) < 0 }

    /// Coarse time at which a rest that begins now is over.
    var afterPause: UInt32 { coarseTime &+ UInt32(acceptPause >> 20) }

    mutating func completeAccept(
        _ completion: URing.Completion, ring: Int, into batch: inout CompletionBatch
    ) throws(SystemError) {
        let index = Int(completion.userData.id.index)
        if completion.result >= 0 {
            acceptors[index].hasFailed = false
            try accepted(completion.result, ring: ring, into: &batch)
        } else if completion.result != -ECANCELED {
            acceptFailed(-completion.result, index, ring: ring)
        }
        if completion.userData.isSingleAccept {
            acceptors[index].singles -= 1
            singlesInRing[ring] -= 1
            singlesCount -= 1
            hasIdleAcceptor = true
        } else if !completion.isMore {
            if acceptors[index].state == .armed {
                armedInRing[ring] -= 1
                if completion.result >= 0 { counters.rearms += 1 }
            }
            acceptors[index].state = .idle
            hasIdleAcceptor = true
        }
        if armedInRing[ring] > 0, hasFewPlaces(ring) { try cancelAccepts(ring) }
    }

    /// The multishot requests armed on the ring could bring more than it, or the worker, can take.
    private func hasFewPlaces(_ ring: Int) -> Bool {
        let others = UInt32(acceptors.count - 1)
        let expected = layout.acceptReserve * armedInRing[ring] + others
        if table.openCount + singlesCount + expected > layout.connections { return true }
        return layout.isDirect
            && liveInRing[ring] + singlesInRing[ring] + expected > layout.slotsPerRing
    }

    private mutating func cancelAccepts(_ ring: Int) throws(SystemError) {
        for index in acceptors.indices
        where acceptors[index].state == .armed && acceptors[index].ring == ring {
            try reserve(1, in: ring)
            let request = UserData(.accept, index: UInt32(index))
            rings[ring].prepareCancel(request, request.id)
            acceptors[index].state = .cancelling
        }
        armedInRing[ring] = 0
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
            Kernel.close(result)
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
            acceptors[index].hasFailed = true
            acceptors[index].pausedUntil = afterPause
        }
    }
}
