// The sends that a connection has queued, linked through the buffers themselves.

extension BufferPool {
    /// Queues the first `byteCount` bytes of a buffer behind the connection's other sends.
    ///
    /// - Returns: whether it is the only one, so that somebody has to begin sending.
    @inline(__always)
    func queueSend(
        _ buffer: Buffer, byteCount: UInt32, _ slot: UnsafeMutablePointer<ConnectionTable.Slot>
    ) -> Bool {
        unsafe pending[Int(buffer.index)] = .init(offset: 0, byteCount: byteCount, next: .none)
        let isOnly = unsafe slot.pointee.sendHead == .none
        if isOnly {
            unsafe slot.pointee.sendHead = buffer
        } else {
            unsafe pending[Int(slot.pointee.sendTail.index)].next = buffer
        }
        unsafe slot.pointee.sendTail = buffer
        return isOnly
    }

    /// Returns the buffers of all queued sends.
    ///
    /// - Precondition: none of them is with the kernel.
    func dropSends(_ slot: UnsafeMutablePointer<ConnectionTable.Slot>) {
        while unsafe slot.pointee.sendHead != .none {
            let buffer = unsafe slot.pointee.sendHead
            unsafe slot.pointee.sendHead = pending[Int(buffer.index)].next
            putBack(buffer)
        }
        unsafe slot.pointee.sendTail = .none
    }

    /// Returns the buffers of the sends behind the head, which is with the kernel or with the thread
    /// that sends it, and comes back with its answer.
    func dropSendsBehindHead(_ slot: UnsafeMutablePointer<ConnectionTable.Slot>) {
        let head = unsafe slot.pointee.sendHead
        if head == .none { return }
        var next = unsafe pending[Int(head.index)].next
        while next != .none {
            let following = unsafe pending[Int(next.index)].next
            putBack(next)
            next = following
        }
        unsafe pending[Int(head.index)].next = .none
        unsafe slot.pointee.sendTail = head
    }
}
