// How the thread backend sends: at once in the thread that took the turn, and when the socket is
// full in a thread made for it. Thus nobody who has other things to do waits for a slow peer.

import CLinux
import Glibc

extension ThreadWorker where H: ~Copyable {
    /// Under the lock: queues a buffer; whoever takes the first one sends those behind it too.
    func enqueueSend(
        _ id: ConnectionID, _ buffer: Buffer, byteCount: UInt32, _ leftover: inout Leftover
    ) {
        guard let slot = unsafe liveSlot(id) else {
            pool.putBack(buffer)
            return
        }
        _ = unsafe pool.queueSend(buffer, byteCount: byteCount, slot)
        if unsafe !slot.pointee.flags.contains(.sending) {
            unsafe slot.pointee.flags.insert(.sending)
            leftover.sends.append(id)
        }
    }

    /// Sends a connection's queue; the handler hears of each buffer that is done. The slot stays as
    /// long as it is marked as sending.
    ///
    /// - Parameter waits: for room in the socket. Else a thread is made that waits.
    func sendQueued(_ id: ConnectionID, _ leftover: inout Leftover, waits: Bool) {
        var waits = waits
        lock.lock()
        let slot = unsafe table.slots + Int(id.index)
        while unsafe slot.pointee.sendHead != .none {
            let buffer = unsafe slot.pointee.sendHead
            let fd = unsafe slot.pointee.fd
            let pending = unsafe pool.pending[Int(buffer.index)]
            lock.unlock()
            let result = unsafe CLinux_send(
                fd, pool.address(of: buffer) + Int(pending.offset), Int(pending.byteCount),
                waits ? 0 : CInt(MSG_DONTWAIT))
            if result == Int(-EAGAIN) {
                if handOver(id) { return }
                // No thread to be had; then this one has to wait.
                waits = true
            }
            lock.lock()
            unsafe sent(result, id, slot, buffer, &leftover)
        }
        unsafe slot.pointee.sendTail = .none
        unsafe slot.pointee.flags.remove(.sending)
        if unsafe slot.pointee.state == .terminating || isStopping {
            unsafe endStream(slot)
            unsafe wake(slot)
        }
        lock.unlock()
    }

    /// Under the lock: notes what one send(2) of the queue's head has brought.
    private func sent(
        _ result: Int, _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>, _ buffer: Buffer,
        _ leftover: inout Leftover
    ) {
        if result < 0 {
            if result == Int(-EINTR) || result == Int(-EAGAIN) { return }
            return unsafe fail(slot, CInt(-result))
        }
        counters.bytesSent += UInt64(result)
        let pending = unsafe pool.pending + Int(buffer.index)
        if unsafe UInt32(result) < pending.pointee.byteCount {
            counters.shortSends += 1
            unsafe pending.pointee.offset += UInt32(result)
            unsafe pending.pointee.byteCount -= UInt32(result)
            return
        }
        unsafe slot.pointee.sendHead = pending.pointee.next
        pool.putBack(buffer)
        handle(.sent(id))
        settle(&leftover)
    }

    /// Leaves a full socket's queue to a thread that may wait.
    private func handOver(_ id: ConnectionID) -> Bool {
        lock.lock()
        counters.blockedSends += 1
        lock.unlock()
        do throws(SystemError) {
            try spawn { [self] in
                var leftover = Leftover()
                sendQueued(id, &leftover, waits: true)
                finish(&leftover)
            }
            return true
        } catch {
            return false
        }
    }

    /// Under the lock: the connection broke; its thread will report it.
    private func fail(_ slot: UnsafeMutablePointer<Slot>, _ code: CInt) {
        while unsafe slot.pointee.sendHead != .none {
            let buffer = unsafe slot.pointee.sendHead
            unsafe slot.pointee.sendHead = pool.pending[Int(buffer.index)].next
            pool.putBack(buffer)
        }
        if unsafe slot.pointee.state == .open {
            unsafe slot.pointee.state = .terminating
            if unsafe slot.pointee.closeCode == 0 { unsafe slot.pointee.closeCode = Int16(code) }
        }
    }
}
