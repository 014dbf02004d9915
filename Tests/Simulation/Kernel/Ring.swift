// io_uring of the simulated kernel: the queues in memory, requests, task work.

import CLiburing
import Glibc

/// One request with the kernel.
final class SimulatedRequest {
    enum Kind {
        case accept, connect, poll, receive, send, wakeRead
    }

    enum State {
        /// Waits for its file.
        case waiting
        /// In the ring's list of task work.
        case queued
        case ended
    }

    let kind: Kind
    let userData: UInt64
    let file: SimulatedFile
    let sqe: io_uring_sqe
    unowned let ring: SimulatedRing
    var state = State.waiting
    /// Bytes of a send that were taken.
    var progress = 0
    var isCancelled = false
    /// The outcome of a connect that had one at once.
    var mask: UInt32

    init(
        _ kind: Kind, _ sqe: io_uring_sqe, _ file: SimulatedFile, _ ring: SimulatedRing,
        mask: UInt32
    ) {
        self.kind = kind
        self.userData = sqe.user_data
        self.sqe = sqe
        self.file = file
        self.ring = ring
        self.mask = mask
    }

    var isMultishot: Bool {
        switch kind {
        case .accept: sqe.ioprio & CLiburing_ACCEPT_MULTISHOT != 0
        case .receive: sqe.ioprio & CLiburing_RECV_MULTISHOT != 0
        default: false
        }
    }
}

final class SimulatedRing: SimulatedFile {
    let process: Int
    let isDeferred: Bool
    /// Words: SQ head, tail, mask, entries, flags, dropped; CQ head, tail, mask, entries, overflow.
    private let words: UnsafeMutablePointer<UInt32>
    let submissions: UnsafeMutablePointer<io_uring_sqe>
    let completions: UnsafeMutablePointer<io_uring_cqe>
    let submissionCount: UInt32
    let completionCount: UInt32
    /// Completions kept beside the full queue.
    private(set) var overflow: [io_uring_cqe] = []
    var requests: [SimulatedRequest] = []
    var work: [SimulatedRequest] = []
    var slots: [SimulatedFile?] = []
    /// Slots whose socket could not be made: their next close may find nothing.
    var unmade: Set<UInt32> = []
    var slotHint = 0
    var eventFD: SimulatedEventFD?
    var isEnabled = false
    /// Operations that are not refused; `nil`: none is.
    var allowed: Set<UInt8>?
    // The group of provided buffers.
    var buffers: UnsafeMutablePointer<io_uring_buf>?
    var bufferCount: UInt32 = 0
    var bufferHead: UInt16 = 0

    init(process: Int, entries: UInt32, completions: UInt32, isDeferred: Bool) {
        self.process = process
        self.isDeferred = isDeferred
        submissionCount = entries
        completionCount = completions
        words = .allocate(capacity: 12)
        words.initialize(repeating: 0, count: 12)
        submissions = .allocate(capacity: Int(entries))
        submissions.initialize(repeating: io_uring_sqe(), count: Int(entries))
        self.completions = .allocate(capacity: Int(completions))
        self.completions.initialize(repeating: io_uring_cqe(), count: Int(completions))
        words[2] = entries - 1
        words[3] = entries
        words[8] = completions - 1
        words[9] = completions
    }

    deinit {
        words.deallocate()
        submissions.deallocate()
        completions.deallocate()
    }

    /// Lets liburing's structure point to this ring's memory.
    func describe(to ring: UnsafeMutablePointer<io_uring>, fd: CInt) {
        ring.initialize(to: io_uring())
        ring.pointee.ring_fd = fd
        ring.pointee.enter_ring_fd = fd
        ring.pointee.sq.khead = words
        ring.pointee.sq.ktail = words + 1
        ring.pointee.sq.kring_mask = words + 2
        ring.pointee.sq.kring_entries = words + 3
        ring.pointee.sq.kflags = words + 4
        ring.pointee.sq.kdropped = words + 5
        ring.pointee.sq.sqes = submissions
        ring.pointee.cq.khead = words + 6
        ring.pointee.cq.ktail = words + 7
        ring.pointee.cq.kring_mask = words + 8
        ring.pointee.cq.kring_entries = words + 9
        ring.pointee.cq.koverflow = words + 10
        ring.pointee.cq.cqes = completions
    }

    // MARK: Queues

    var pending: UInt32 { words[1] &- words[0] }

    func nextSubmission() -> io_uring_sqe {
        let sqe = submissions[Int(words[0] & words[2])]
        words[0] &+= 1
        return sqe
    }

    var ready: UInt32 { words[7] &- words[6] }

    private var hasRoom: Bool { overflow.isEmpty && ready < completionCount }

    /// - Parameter isFurther: the request goes on after this completion; then there must be room.
    /// - Returns: false when there was none for a completion after which the request goes on.
    func post(
        _ userData: UInt64, _ result: Int32, _ flags: UInt32, isFurther: Bool = false,
        _ kernel: SimulatedKernel
    ) -> Bool {
        if hasRoom {
            write(userData, result, isFurther ? flags | CLiburing_CQE_F_MORE : flags)
            return true
        }
        if isFurther { return false }
        var entry = io_uring_cqe()
        entry.user_data = userData
        entry.res = result
        entry.flags = flags
        overflow.append(entry)
        words[4] |= CLiburing_SQ_CQ_OVERFLOW
        kernel.faults.happened(.overflow)
        return true
    }

    private func write(_ userData: UInt64, _ result: Int32, _ flags: UInt32) {
        let place = completions + Int(words[7] & words[8])
        place.pointee.user_data = userData
        place.pointee.res = result
        place.pointee.flags = flags
        words[7] &+= 1
    }

    /// Moves what was kept beside the queue into it, as far as there is room.
    func flushOverflow() {
        var moved = 0
        while moved < overflow.count, ready < completionCount {
            let entry = overflow[moved]
            write(entry.user_data, entry.res, entry.flags)
            moved += 1
        }
        overflow.removeFirst(moved)
        if overflow.isEmpty { words[4] &= ~CLiburing_SQ_CQ_OVERFLOW }
    }

    var hasOverflow: Bool { !overflow.isEmpty }

    // MARK: Task work

    func queueWork(_ request: SimulatedRequest, _ kernel: SimulatedKernel) {
        request.state = .queued
        if work.count > 0, kernel.faults.mayFire(.reorder),
            kernel.faults.fires(.reorder, &kernel.chance)
        {
            // Only ahead of other files' requests: one socket's keep their order.
            var place = kernel.chance.below(work.count + 1)
            if let last = work.lastIndex(where: { $0.file === request.file }) {
                place = max(place, last + 1)
            }
            work.insert(request, at: place)
        } else {
            work.append(request)
        }
        words[4] |= CLiburing_SQ_TASKRUN
        if let eventFD, isDeferred || work.count == 1 { kernel.signal(eventFD) }
    }

    func takeWork() -> SimulatedRequest? {
        work.isEmpty ? nil : work.removeFirst()
    }

    /// The kernel raises the flag after it queued the work, so it may stand over an empty list.
    func lowerFlag() {
        if work.isEmpty { words[4] &= ~CLiburing_SQ_TASKRUN }
    }

    // MARK: Direct descriptors

    /// - Returns: the slot, or -ENFILE when all are taken.
    func install(_ file: SimulatedFile) -> Int32 {
        for offset in 0..<slots.count {
            let slot = (slotHint + offset) % slots.count
            if slots[slot] == nil {
                slots[slot] = file
                file.names += 1
                slotHint = (slot + 1) % slots.count
                return Int32(slot)
            }
        }
        return -ENFILE
    }

    // MARK: Provided buffers

    /// The next buffer of the group; it stays there until `commitBuffer`.
    var nextBuffer: io_uring_buf? {
        guard let buffers else { return nil }
        let tail = UnsafeRawPointer(buffers).load(fromByteOffset: 14, as: UInt16.self)
        if tail == bufferHead { return nil }
        return buffers[Int(UInt32(bufferHead) & (bufferCount - 1))]
    }

    func commitBuffer() {
        bufferHead &+= 1
    }

    /// Indices of the buffers that the group holds, those not yet published among them.
    func heldBuffers(upTo tail: UInt16?) -> [UInt16] {
        guard let buffers, let tail else { return [] }
        var held: [UInt16] = []
        var position = bufferHead
        while position != tail {
            held.append(buffers[Int(UInt32(position) & (bufferCount - 1))].bid)
            position &+= 1
        }
        return held
    }

    /// Buffers that completions bring which nobody has read.
    var unreadBuffers: [UInt16] {
        var unread: [UInt16] = []
        func look(_ entry: io_uring_cqe) {
            if entry.flags & CLiburing_CQE_F_BUFFER == 0 { return }
            unread.append(UInt16(truncatingIfNeeded: entry.flags >> CLiburing_CQE_BUFFER_SHIFT))
        }
        var position = words[6]
        while position != words[7] {
            look(completions[Int(position & words[8])])
            position &+= 1
        }
        for entry in overflow { look(entry) }
        return unread
    }

    override func ended(_ kernel: SimulatedKernel) {
        for request in requests { request.state = .ended }
        for request in requests { request.file.waiters.removeAll { $0 === request } }
        requests = []
        work = []
        for slot in slots.indices {
            if let file = slots[slot] {
                slots[slot] = nil
                kernel.dropName(file)
            }
        }
    }
}
