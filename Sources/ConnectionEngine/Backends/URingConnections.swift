// The life of one connection on io_uring: what each operation submits, what each answer means.

import Glibc

extension URingBackend {
    typealias Slot = ConnectionTable.Slot

    @inline(__always)
    func target(_ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>) -> Target {
        layout.isDirect
            ? Target(fd: CInt(layout.directSlot(of: id.index)), isDirect: true)
            : unsafe Target(fd: slot.pointee.fd, isDirect: false)
    }

    // MARK: Operations

    mutating func startConnect(
        _ id: ConnectionID, from source: SocketAddress?, to destination: SocketAddress
    ) throws(SystemError) {
        let slot = unsafe table.slots + Int(id.index)
        let ring = layout.ring(of: id.index)
        while ring >= ringCount {
            let code = addRing()
            if code == 0 { continue }
            unsafe slot.pointee.state = .closing
            unsafe slot.pointee.closeCode = Int16(code)
            return ringless.append(id)
        }
        try reserve(4, in: ring)
        let needsBind = source != nil
        if layout.isDirect, !needsBind || features.contains(.bind) {
            rings[ring].prepareSocket(
                id, isIPv6: destination.isIPv6, slot: layout.directSlot(of: id.index))
            if let source {
                if setup.reusesSourcePorts {
                    unsafe rings[ring].prepareReuseAddress(
                        id, target(id, slot), one: rings[ring].storeOne())
                }
                let address = unsafe rings[ring].storeAddress(source)
                unsafe rings[ring].prepareBind(
                    id, target(id, slot), address: address, byteCount: source.kernelByteCount)
            }
        } else if let code = unsafe openSocket(id, slot, from: source, destination, ring: ring) {
            unsafe slot.pointee.closeCode = Int16(code)
        }
        let address = unsafe rings[ring].storeAddress(destination)
        unsafe rings[ring].prepareConnect(
            id, target(id, slot), address: address, byteCount: destination.kernelByteCount)
        connectsQueued[ring] += 1
        unsafe slot.pointee.inFlight = 1
    }

    /// Makes and binds a socket by system calls, for kernels without IORING_OP_BIND (before 6.11)
    /// or without direct descriptors.
    ///
    /// - Returns: the errno of a failure. The connect is then submitted all the same: it fails too,
    ///   and its answer reports the stored code.
    private mutating func openSocket(
        _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>, from source: SocketAddress?,
        _ destination: SocketAddress, ring: Int
    ) -> CInt? {
        do throws(SystemError) {
            let fd = try connectingSocket(
                from: source, isIPv6: destination.isIPv6, nonBlocking: false,
                reusesPort: setup.reusesSourcePorts
            ).release()
            if layout.isDirect {
                let result = rings[ring].installDirect(
                    fd, slot: layout.directSlot(of: id.index))
                Kernel.close(fd)
                if result < 0 { return -result }
            } else {
                unsafe slot.pointee.fd = fd
            }
            return nil
        } catch {
            return error.errno.code
        }
    }

    mutating func arm(_ id: ConnectionID, once: Bool) throws(SystemError) {
        guard let slot = unsafe liveSlot(id) else { return }
        if unsafe slot.pointee.flags.contains(.armed) {
            if !once { unsafe slot.pointee.flags.remove(.once) }
            return
        }
        unsafe slot.pointee.flags.insert(once ? [.armed, .once] : .armed)
        if unsafe slot.pointee.flags.isDisjoint(with: [.polling, .receiving, .starved]) {
            unsafe try awaitBytes(id, slot)
        }
    }

    mutating func enqueueSend(
        _ id: ConnectionID, _ buffer: Buffer, byteCount: UInt32
    ) throws(SystemError) {
        guard let slot = unsafe liveSlot(id) else {
            pool.putBack(buffer)
            return
        }
        if unsafe pool.queueSend(buffer, byteCount: byteCount, slot) {
            unsafe try submitSend(id, slot)
        }
    }

    mutating func closeRequested(_ id: ConnectionID, abort: Bool) throws(SystemError) {
        guard let slot = unsafe table.slot(id) else {
            counters.staleOperations += 1
            return
        }
        if unsafe slot.pointee.state == .closing {
            // Without a ring there is nothing to close, but this is what was asked for.
            if unsafe slot.pointee.inFlight == 0 { unsafe slot.pointee.closeCode = 0 }
            return
        }
        if abort {
            let ring = layout.ring(of: id.index)
            try reserve(1, in: ring)
            unsafe rings[ring].prepareDisconnect(
                id, target(id, slot), zeroes: rings[ring].storeZeroAddress())
            unsafe try terminate(id, slot, code: 0, keepsSends: false)
        } else if unsafe slot.pointee.state != .terminating {
            unsafe try terminate(id, slot, code: 0, keepsSends: true)
        }
    }

    /// The slot of an operation's connection; `nil` (and counted) when it is gone or ending.
    @inline(__always)
    mutating func liveSlot(_ id: ConnectionID) -> UnsafeMutablePointer<Slot>? {
        if let slot = unsafe table.slot(id), unsafe slot.pointee.state == .open {
            return unsafe slot
        }
        counters.staleOperations += 1
        return nil
    }

    // MARK: Completions

    mutating func complete(
        _ completion: URing.Completion, ring: Int, into batch: inout CompletionBatch
    ) throws(SystemError) {
        guard let kind = completion.userData.kind else {
            preconditionFailure("unknown completion \(completion.userData.rawValue)")
        }
        if kind == .accept { return try completeAccept(completion, ring: ring, into: &batch) }
        let id = completion.userData.id
        if let buffer = completion.buffer {
            rings[ring].tookBuffer()
            pool.noteGivenOut()
            guard unsafe table.slot(id) != nil else {
                giveBack(buffer, ring: ring)
                counters.staleCompletions += 1
                return
            }
        }
        guard let slot = unsafe table.slot(id) else {
            // A cancel or a disconnect that found nothing left to do is not even stale.
            if kind != .cancel && kind != .disconnect { counters.staleCompletions += 1 }
            return
        }
        switch kind {
        case .receiveMultishot:
            unsafe try completeMultishot(completion, id, slot, ring: ring, into: &batch)
        case .send: unsafe try completeSend(completion.result, id, slot, ring: ring, into: &batch)
        case .poll: unsafe try completePoll(completion.result, id, slot)
        case .receive: unsafe try completeReceive(completion.result, id, slot, into: &batch)
        case .connect: unsafe try completeConnect(completion.result, id, slot, into: &batch)
        case .prepareConnect:
            if unsafe slot.pointee.closeCode == 0 {
                unsafe slot.pointee.closeCode = Int16(-completion.result)
            }
        case .close: unsafe completeClose(id, slot, ring: ring, into: &batch)
        case .cancel, .disconnect: break
        case .accept, .wake: preconditionFailure("answered elsewhere")
        }
    }

    private mutating func completeConnect(
        _ result: Int32, _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>,
        into batch: inout CompletionBatch
    ) throws(SystemError) {
        unsafe slot.pointee.inFlight -= 1
        if unsafe slot.pointee.state == .terminating { return unsafe try finish(id, slot) }
        // A failed socket or bind was reported before, and then the connect means nothing.
        if result == 0, unsafe slot.pointee.closeCode == 0 {
            unsafe slot.pointee.state = .open
            counters.connected += 1
            batch.append(.connected(id))
        } else {
            let code = unsafe slot.pointee.closeCode
            unsafe try terminate(
                id, slot, code: code == 0 ? Int16(-result) : code, keepsSends: false)
        }
    }

    private mutating func completePoll(
        _ result: Int32, _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>
    ) throws(SystemError) {
        unsafe slot.pointee.inFlight -= 1
        unsafe slot.pointee.flags.remove(.polling)
        if unsafe slot.pointee.state == .terminating { return unsafe try finish(id, slot) }
        if result < 0 {
            unsafe try terminate(id, slot, code: Int16(-result), keepsSends: false)
        } else if unsafe slot.pointee.flags.contains(.armed) {
            unsafe try receive(id, slot, pollFirst: false)
        }
    }

    private mutating func completeReceive(
        _ result: Int32, _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>,
        into batch: inout CompletionBatch
    ) throws(SystemError) {
        let buffer = unsafe slot.pointee.receiveBuffer
        unsafe slot.pointee.receiveBuffer = .none
        unsafe slot.pointee.inFlight -= 1
        unsafe slot.pointee.flags.remove(.receiving)
        if result > 0, unsafe slot.pointee.state == .open {
            unsafe deliver(buffer, byteCount: result, id, slot, into: &batch)
            return unsafe try armAgain(id, slot)
        }
        pool.putBack(buffer)
        if unsafe slot.pointee.state == .terminating { return unsafe try finish(id, slot) }
        unsafe try receiveEnded(result, id, slot)
    }

    private mutating func completeMultishot(
        _ completion: URing.Completion, _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>,
        ring: Int, into batch: inout CompletionBatch
    ) throws(SystemError) {
        if let buffer = completion.buffer {
            if completion.result > 0, unsafe slot.pointee.state == .open {
                unsafe deliver(buffer, byteCount: completion.result, id, slot, into: &batch)
            } else {
                giveBack(buffer, ring: ring)
            }
        }
        if completion.isMore { return }
        unsafe slot.pointee.inFlight -= 1
        unsafe slot.pointee.flags.remove(.receiving)
        if unsafe slot.pointee.state == .terminating { return unsafe try finish(id, slot) }
        switch completion.result {
        case -ENOBUFS where unsafe slot.pointee.flags.contains(.armed):
            unsafe slot.pointee.flags.insert(.starved)
            starved.append(id)
            counters.bufferStarvations += 1
        case -ECANCELED, -ENOBUFS:
            // It was quiet: by a poll or by a new receive, it waits again. Or disarmed: it waits for
            // being armed.
            unsafe try awaitBytes(id, slot)
        case 1...:
            counters.rearms += 1
            unsafe try awaitBytes(id, slot)
        case 0 where unsafe slot.pointee.lastActive == max(coarseTime, 1):
            // Bytes came in this turn and have not been answered yet: what is queued after the end
            // of the connection would be dropped. The end is read again, in the next turn.
            unsafe try receive(id, slot, pollFirst: false)
        default:
            unsafe try receiveEnded(completion.result, id, slot)
        }
    }

    /// A receive that brought nothing: end of stream, to be tried again, or broken.
    private mutating func receiveEnded(
        _ result: Int32, _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>
    ) throws(SystemError) {
        switch result {
        case 0: unsafe try terminate(id, slot, code: -1, keepsSends: true)
        case -EAGAIN, -EINTR:
            counters.againCompletions += 1
            unsafe try awaitBytes(id, slot)
        case -ECANCELED:
            // Disarmed, and perhaps armed again since.
            unsafe try awaitBytes(id, slot)
        default: unsafe try terminate(id, slot, code: Int16(-result), keepsSends: false)
        }
    }

    private mutating func completeSend(
        _ result: Int32, _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>, ring: Int,
        into batch: inout CompletionBatch
    ) throws(SystemError) {
        unsafe slot.pointee.inFlight -= 1
        let buffer = unsafe slot.pointee.sendHead
        let pending = unsafe pool.pending + Int(buffer.index)
        if result < 0 && result != -EAGAIN && result != -EINTR {
            unsafe popSend(slot, pending)
            giveBack(buffer, ring: ring)
            // Those behind it were never submitted: no answer will come for them.
            unsafe pool.dropSends(slot)
            if unsafe slot.pointee.state == .terminating { return unsafe try finish(id, slot) }
            return unsafe try terminate(id, slot, code: Int16(-result), keepsSends: false)
        }
        if result > 0 { counters.bytesSent += UInt64(result) }
        let remaining = unsafe pending.pointee.byteCount
        if result < 0 || UInt32(result) < remaining {
            if result < 0 { counters.againCompletions += 1 } else { counters.shortSends += 1 }
            let taken = UInt32(max(result, 0))
            unsafe pending.pointee.offset += taken
            unsafe pending.pointee.byteCount -= taken
            return unsafe try submitSend(id, slot)
        }
        unsafe popSend(slot, pending)
        giveBack(buffer, ring: ring)
        batch.append(.sent(id))
        if unsafe slot.pointee.sendHead != .none {
            unsafe try submitSend(id, slot)
        } else if unsafe slot.pointee.state == .terminating {
            unsafe try finish(id, slot)
        }
    }

    private mutating func completeClose(
        _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>, ring: Int,
        into batch: inout CompletionBatch
    ) {
        unsafe slot.pointee.inFlight -= 1
        let reason = unsafe CloseReason(code: slot.pointee.closeCode)
        if id.index < layout.kernelNamed {
            liveInRing[ring] -= 1
        }
        table.release(id)
        counters.closed += 1
        if !acceptors.isEmpty { hasIdleAcceptor = true }
        batch.append(.closed(id, reason))
    }

    // MARK: Sending

    private mutating func submitSend(
        _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>
    ) throws(SystemError) {
        let ring = layout.ring(of: id.index)
        try reserve(1, in: ring)
        let buffer = unsafe slot.pointee.sendHead
        let pending = unsafe pool.pending[Int(buffer.index)]
        unsafe rings[ring].prepareSend(
            id, target(id, slot), bytes: pool.address(of: buffer) + Int(pending.offset),
            byteCount: pending.byteCount)
        unsafe slot.pointee.inFlight += 1
    }

    @inline(__always)
    private func popSend(
        _ slot: UnsafeMutablePointer<Slot>, _ pending: UnsafeMutablePointer<BufferPool.PendingSend>
    ) {
        unsafe slot.pointee.sendHead = pending.pointee.next
        if unsafe slot.pointee.sendHead == .none { unsafe slot.pointee.sendTail = .none }
    }

    // MARK: Ending

    /// Begins the end of a connection. Requests with the kernel are cancelled; the descriptor is
    /// closed when the last of them has been answered, so that its slot cannot be reused before.
    ///
    /// - Parameters:
    ///   - code: what `.closed` will say: 0 asked for, -1 end of stream, else an errno.
    ///   - keepsSends: queued sends are done first.
    mutating func terminate(
        _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>, code: Int16, keepsSends: Bool
    ) throws(SystemError) {
        let ring = layout.ring(of: id.index)
        if unsafe slot.pointee.state == .opening, unsafe slot.pointee.inFlight > 0 {
            // A connect that nobody answers would go on for minutes.
            try reserve(1, in: ring)
            rings[ring].prepareCancel(UserData(.connect, id), id)
        }
        if unsafe slot.pointee.state != .terminating {
            unsafe slot.pointee.closeCode = code
            unsafe slot.pointee.state = .terminating
        }
        if !keepsSends { unsafe pool.dropSendsBehindHead(slot) }
        let waiting = unsafe slot.pointee.flags.intersection([.polling, .receiving])
        if !waiting.isEmpty, unsafe !slot.pointee.flags.contains(.cancelled) {
            try reserve(1, in: ring)
            unsafe slot.pointee.flags.insert(.cancelled)
            let isMultishot = unsafe slot.pointee.receiveBuffer == .none
            let kind: UserData.Kind =
                waiting.contains(.polling) ? .poll : isMultishot ? .receiveMultishot : .receive
            rings[ring].prepareCancel(UserData(kind, id), id)
        }
        unsafe try finish(id, slot)
    }

    /// Closes the descriptor once nothing of the connection is with the kernel.
    private mutating func finish(
        _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>
    ) throws(SystemError) {
        guard unsafe slot.pointee.inFlight == 0, unsafe slot.pointee.sendHead == .none
        else { return }
        let ring = layout.ring(of: id.index)
        try reserve(1, in: ring)
        unsafe rings[ring].prepareClose(id, target(id, slot))
        closesQueued[ring] = true
        unsafe slot.pointee.state = .closing
        unsafe slot.pointee.inFlight = 1
    }
}
