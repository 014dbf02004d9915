// What becomes of the sends that a connection has queued when it ends early.

extension BufferPool {
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
