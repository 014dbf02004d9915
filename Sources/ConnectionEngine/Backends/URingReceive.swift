// How a connection waits for bytes on io_uring: cold by a poll, hot by a multishot receive.
//
// An armed receive keeps 864 bytes of kernel memory, a poll 256. So a connection begins cold; when
// messages follow each other quickly it becomes hot, and cold again when it has been quiet.

import Glibc

/// Coarse units (about 1 ms) within which a second message makes a connection hot.
private let hotWindow: UInt32 = 250
/// Coarse units of silence that make it cold again.
private let coldAfter: UInt32 = 1_000

extension URingBackend {
    /// Submits what lets the connection wait for its next bytes, if the handler wants them.
    mutating func awaitBytes(
        _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>
    ) throws(SystemError) {
        if unsafe !slot.pointee.flags.contains(.armed) { return }
        if unsafe slot.pointee.flags.contains(.once) {
            // A receive holds a buffer until the answer comes; so only while there are plenty.
            if pool.freeCount > pool.count / 2, setup.idleMode != .poll, starved.isEmpty {
                return unsafe try receive(id, slot, pollFirst: true)
            }
        } else if unsafe starved.isEmpty && shouldBeHot(slot), unsafe try becomeHot(id, slot) {
            // A multishot receive takes as many buffers as there are bytes for; while others wait
            // for one, each is to take one in its turn.
            return
        }
        let ring = layout.ring(of: id.index)
        try reserve(1, in: ring)
        unsafe rings[ring].preparePoll(id, target(id, slot))
        unsafe slot.pointee.flags.insert(.polling)
        unsafe slot.pointee.inFlight += 1
    }

    /// After bytes were delivered: waits for more, unless the handler wanted only these.
    mutating func armAgain(
        _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>
    ) throws(SystemError) {
        if unsafe slot.pointee.flags.contains(.once) {
            unsafe slot.pointee.flags.subtract([.armed, .once])
        } else {
            unsafe try awaitBytes(id, slot)
        }
    }

    /// Asks a receive that is with the kernel to end; a poll may stay, for it brings no bytes.
    mutating func disarm(_ id: ConnectionID) throws(SystemError) {
        guard let slot = unsafe liveSlot(id) else { return }
        unsafe slot.pointee.flags.subtract([.armed, .once])
        guard unsafe slot.pointee.flags.contains(.receiving) else { return }
        let isMultishot = unsafe slot.pointee.receiveBuffer == .none
        let ring = layout.ring(of: id.index)
        try reserve(1, in: ring)
        rings[ring].prepareCancel(UserData(isMultishot ? .receiveMultishot : .receive, id), id)
    }

    @inline(__always)
    mutating func deliver(
        _ buffer: Buffer, byteCount: Int32, _ id: ConnectionID,
        _ slot: UnsafeMutablePointer<Slot>, into batch: inout CompletionBatch
    ) {
        counters.bytesReceived += UInt64(byteCount)
        // The rate of arrivals decides before the newest one is noted.
        if unsafe slot.pointee.flags.isDisjoint(with: [.hot, .once]) {
            let last = unsafe slot.pointee.lastActive
            if last != 0, coarseTime &- last < hotWindow, setup.idleMode == .adaptive {
                unsafe slot.pointee.flags.insert(.busy)
            }
        }
        batch.append(.received(id, buffer, byteCount: UInt32(byteCount)))
        if setup.idleMode == .receive {
            // To be armed anew when it is quiet: see `sweepHot`.
            if unsafe !slot.pointee.flags.contains(.hot) { return }
            if unsafe slot.pointee.lastActive == 0 { hotConnections.append(id) }
        }
        unsafe slot.pointee.lastActive = max(coarseTime, 1)
    }

    /// Submits one receive into a buffer of the pool, or parks the connection until one is free,
    /// behind those that wait already.
    ///
    /// - Parameter isFed: it has waited, and it is its turn.
    mutating func receive(
        _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>, pollFirst: Bool,
        isFed: Bool = false
    ) throws(SystemError) {
        guard isFed || starved.isEmpty, let buffer = pool.take() else {
            unsafe slot.pointee.flags.insert(.starved)
            starved.append(id)
            counters.bufferStarvations += 1
            return
        }
        let ring = layout.ring(of: id.index)
        try reserve(1, in: ring)
        unsafe slot.pointee.receiveBuffer = buffer
        unsafe slot.pointee.flags.insert(.receiving)
        unsafe slot.pointee.inFlight += 1
        unsafe rings[ring].prepareReceive(
            id, target(id, slot), buffer: pool.address(of: buffer), byteCount: pool.byteCount,
            pollFirst: pollFirst)
    }

    // MARK: Hot and cold

    private func shouldBeHot(_ slot: UnsafeMutablePointer<Slot>) -> Bool {
        guard features.contains(.multishotReceive) else { return false }
        if setup.idleMode == .receive { return true }
        return unsafe !slot.pointee.flags.isDisjoint(with: [.hot, .busy])
    }

    /// Arms a multishot receive.
    ///
    /// - Returns: `false` when there are too many hot connections or too few buffers.
    private mutating func becomeHot(
        _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>
    ) throws(SystemError) -> Bool {
        let ring = layout.ring(of: id.index)
        if unsafe !slot.pointee.flags.contains(.hot) {
            if hotConnections.count >= Int(setup.limits.hotConnections),
                setup.idleMode == .adaptive
            {
                return false
            }
            if !prepareBuffers(ring) { return false }
            unsafe slot.pointee.flags.insert(.hot)
            counters.promotions += 1
            if setup.idleMode == .adaptive { hotConnections.append(id) }
        }
        unsafe slot.pointee.flags.remove(.busy)
        try reserve(1, in: ring)
        unsafe rings[ring].prepareReceiveMultishot(id, target(id, slot))
        unsafe slot.pointee.flags.insert(.receiving)
        unsafe slot.pointee.inFlight += 1
        return true
    }

    /// Every 300 ms or so: connections that have been quiet go back to a poll.
    ///
    /// With `.receive` they are armed anew instead, once after their newest message: a multishot
    /// receive that is woken by bytes and a reset together may report the bytes and wait for ever
    /// (seen on Linux 6.18; the same with an end of stream on AF_UNIX, liburing issue 1549). Armed
    /// anew, it finds the reset.
    mutating func sweepHot() throws(SystemError) {
        if coarseTime &- sweptAt < UInt32(hotSweepInterval >> 20) { return }
        sweptAt = coarseTime
        var kept = 0
        for position in hotConnections.indices {
            let id = hotConnections[position]
            guard let slot = unsafe table.slot(id), unsafe slot.pointee.flags.contains(.hot)
            else { continue }
            if unsafe coarseTime &- slot.pointee.lastActive > coldAfter,
                unsafe slot.pointee.state == .open
            {
                if setup.idleMode == .receive {
                    unsafe slot.pointee.lastActive = 0
                } else {
                    unsafe slot.pointee.flags.remove(.hot)
                    counters.demotions += 1
                }
                if unsafe slot.pointee.flags.contains(.receiving) {
                    let ring = layout.ring(of: id.index)
                    try reserve(1, in: ring)
                    rings[ring].prepareCancel(UserData(.receiveMultishot, id), id)
                }
            } else {
                hotConnections[kept] = id
                kept += 1
            }
        }
        hotConnections.removeSubrange(kept...)
    }

    // MARK: Buffers

    /// Gives a ring its group of provided buffers, once.
    private mutating func prepareBuffers(_ ring: Int) -> Bool {
        if rings[ring].buffers != nil { return true }
        let count = min(setup.limits.ringBuffers, pool.freeCount / 2)
        if count < 2 { return false }
        let rounded = UInt32(1) << (31 - UInt32(count.leadingZeroBitCount))
        do throws(SystemError) {
            try rings[ring].registerBuffers(count: rounded)
        } catch {
            return false
        }
        hasGroups = true
        for _ in 0..<rounded {
            if let buffer = pool.take() { provide(buffer, ring) }
        }
        return true
    }

    /// Returns a buffer: to the ring's group while that has room and nobody waits for one, else to
    /// the pool.
    @inline(__always)
    func giveBack(_ buffer: Buffer, ring: Int) {
        if starved.isEmpty, rings[ring].isGroupShort {
            provide(buffer, ring)
        } else {
            pool.putBack(buffer)
        }
    }

    @inline(__always)
    private func provide(_ buffer: Buffer, _ ring: Int) {
        unsafe rings[ring].provide(
            buffer, at: pool.address(of: buffer), byteCount: pool.byteCount)
        pool.noteProvided()
    }

    /// What handlers released lies in the pool: refills the groups that have run low.
    mutating func refillGroups() {
        if !starved.isEmpty { return }
        for ring in 0..<ringCount where rings[ring].isGroupLow {
            while rings[ring].isGroupShort, pool.freeCount > pool.count / 8,
                let buffer = pool.take()
            {
                provide(buffer, ring)
            }
        }
    }

    /// Buffers have come back: lets parked connections receive again, oldest first.
    ///
    /// Each takes one buffer of the pool and no more, so that a thousand connections share eight of
    /// them evenly. The groups are filled again when nobody waits any more.
    mutating func feedStarved() throws(SystemError) {
        var budget = pool.freeCount
        while let id = starved.first {
            guard let slot = unsafe table.slot(id), unsafe slot.pointee.flags.contains(.starved)
            else {
                _ = starved.popFirst()
                continue
            }
            // What a group still holds comes back to the pool through its own connections alone.
            let takesFromGroup =
                unsafe budget == 0 && slot.pointee.flags.contains(.hot)
                && rings[layout.ring(of: id.index)].hasBuffers
            if budget == 0, !takesFromGroup { break }
            _ = starved.popFirst()
            unsafe slot.pointee.flags.remove(.starved)
            let isWanted =
                unsafe slot.pointee.state == .open && slot.pointee.flags.contains(.armed)
            if !isWanted { continue }
            if takesFromGroup, unsafe try becomeHot(id, slot) {
                // The others look again when its bytes have come.
                break
            }
            budget -= min(budget, 1)
            unsafe try receive(id, slot, pollFirst: false, isFed: true)
        }
    }
}
