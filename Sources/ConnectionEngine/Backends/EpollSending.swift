// How the epoll backend sends, and how its connections end.

import CLinux
import Glibc

extension EpollBackend {
    // MARK: Sending

    mutating func enqueueSend(_ id: ConnectionID, _ buffer: Buffer, byteCount: UInt32) {
        guard let slot = unsafe liveSlot(id) else {
            pool.putBack(buffer)
            return
        }
        if unsafe pool.queueSend(buffer, byteCount: byteCount, slot) {
            unsafe continueSends(id, slot)
        }
    }

    /// Sends what is queued until the socket is full; only then EPOLLOUT is asked for.
    mutating func continueSends(_ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>) {
        while unsafe slot.pointee.sendHead != .none {
            let buffer = unsafe slot.pointee.sendHead
            let pending = unsafe pool.pending + Int(buffer.index)
            let result = unsafe Kernel.send(
                slot.pointee.fd, pool.address(of: buffer) + Int(pending.pointee.offset),
                byteCount: Int(pending.pointee.byteCount))
            if result == Int(-EAGAIN) {
                counters.blockedSends += 1
                return unsafe watch(
                    id, slot, for: CLinux_EPOLLIN | CLinux_EPOLLRDHUP | CLinux_EPOLLOUT)
            }
            if result < 0 {
                if result == Int(-EINTR) { continue }
                unsafe pool.dropSends(slot)
                unsafe terminate(id, slot, code: Int16(-result), keepsSends: false)
                return makeReady(id)
            }
            counters.bytesSent += UInt64(result)
            let remaining = unsafe pending.pointee.byteCount
            if UInt32(result) < remaining {
                counters.shortSends += 1
                unsafe pending.pointee.offset += UInt32(result)
                unsafe pending.pointee.byteCount -= UInt32(result)
                continue
            }
            unsafe slot.pointee.sendHead = pending.pointee.next
            pool.putBack(buffer)
            sent.append(id)
        }
        unsafe slot.pointee.sendTail = .none
        if unsafe slot.pointee.state == .terminating { makeReady(id) }
    }

    mutating func reportSent(into batch: inout CompletionBatch) {
        while batch.room >= 2, let id = sent.popFirst() {
            // A connection that was closed since has had its last word.
            if unsafe table.slot(id) != nil { batch.append(.sent(id)) }
        }
    }

    // MARK: Ending

    mutating func terminate(
        _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>, code: Int16, keepsSends: Bool
    ) {
        if unsafe slot.pointee.state != .terminating {
            unsafe slot.pointee.closeCode = code
            unsafe slot.pointee.state = .terminating
        }
        if !keepsSends { unsafe pool.dropSends(slot) }
    }

    /// Closes the descriptor, once its queued sends are done.
    mutating func finish(
        _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>, into batch: inout CompletionBatch
    ) {
        if unsafe slot.pointee.sendHead != .none { return }
        // What an event has just sent is answered before the last word, as on the other backends.
        reportSent(into: &batch)
        if !sent.isEmpty || batch.room == 0 { return makeReady(id) }
        if unsafe slot.pointee.fd >= 0 { Kernel.close(unsafe slot.pointee.fd) }
        let reason = unsafe CloseReason(code: slot.pointee.closeCode)
        table.release(id)
        counters.closed += 1
        batch.append(.closed(id, reason))
    }
}
