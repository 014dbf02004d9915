// The slots of one worker's connections, their states and their free list.

/// The state of all connections of one worker; a handle, owned by the worker that made it.
///
/// Only the worker's thread may use it (the thread backend: only under the worker's lock).
@safe struct ConnectionTable {
    /// One slot. 28 bytes: with 500,000 connections every byte here is half a megabyte.
    struct Slot {
        /// 24 bits; raised each time the slot becomes free.
        var generation: UInt32
        /// The descriptor where connections have one; in a free slot, the next free one's index.
        var fd: Int32
        /// Coarse time of the last received message, in units of 1,048,576 ns.
        var lastActive: UInt32
        /// A futex word: the thread backend's connection threads wait on it.
        var wakeWord: UInt32
        /// The queue of sends, linked through `BufferPool.pending`; its head is with the kernel.
        var sendHead: Buffer
        var sendTail: Buffer
        /// The buffer of the receive that is with the kernel, where we chose it.
        var receiveBuffer: Buffer
        /// errno of the failure that ended the connection; 0: closed by us; -1: end of stream.
        var closeCode: Int16
        /// Requests that the kernel still has to answer.
        var inFlight: UInt8
        var state: State
        var flags: Flags
    }

    enum State: UInt8 {
        /// In the free list, or never used.
        case free
        /// `connect` is with the kernel.
        case opening
        /// Established; may be armed, may have sends queued.
        case open
        /// Close was asked or the peer ended; waits for queued sends and for `inFlight` to be 0.
        case terminating
        /// The descriptor is being closed, or there never was one (nothing is in flight then); the
        /// next completion is the last.
        case closing
    }

    struct Flags: OptionSet {
        let rawValue: UInt16
        /// The handler wants `.received`.
        static let armed = Flags(rawValue: 1)
        /// … but only one.
        static let once = Flags(rawValue: 2)
        /// A poll is with the kernel.
        static let polling = Flags(rawValue: 4)
        /// A receive (single or multishot) is with the kernel.
        static let receiving = Flags(rawValue: 8)
        /// Busy: keeps a multishot receive armed.
        static let hot = Flags(rawValue: 16)
        /// Waits in the list of those that found no buffer.
        static let starved = Flags(rawValue: 32)
        /// The kernel has said that bytes may be waiting (edge-triggered readiness).
        static let readable = Flags(rawValue: 64)
        /// It was a peer that connected (noted by the epoll backend).
        static let accepted = Flags(rawValue: 128)
        /// Its waiting request was asked to end.
        static let cancelled = Flags(rawValue: 256)
        /// Messages follow each other quickly: the next wait may be a hot one.
        static let busy = Flags(rawValue: 512)
        /// The outcome of its connect is known without an event.
        static let resolved = Flags(rawValue: 1_024)
        /// Registered with epoll.
        static let watched = Flags(rawValue: 2_048)
        /// In the list of those to be looked at without an event.
        static let queued = Flags(rawValue: 4_096)
        /// The kernel has said that the peer ended or broke the connection.
        static let ended = Flags(rawValue: 8_192)
        /// A thread is sending its queue.
        static let sending = Flags(rawValue: 16_384)
        /// The end of its stream was read, and takes effect in the next turn.
        static let endRead = Flags(rawValue: 32_768)
    }

    private struct Header {
        var freeHead: Int32 = -1
        /// Free slots that are taken only when no other one that was used before is free.
        var spareHead: Int32 = -1
        /// Slots from here on were never used; they are handed out in order.
        var untouched: UInt32
        var openCount: UInt32 = 0
    }

    /// Exclusive upper bound of `ConnectionID.index`.
    let capacity: UInt32
    /// Slots below this are named by the kernel (accepted into a direct table), not by us.
    let kernelNamed: UInt32
    /// Slots that no connect takes: a client that was accepted must find one.
    private let keptForAccepting: UInt32
    let slots: UnsafeMutablePointer<Slot>
    private let header: UnsafeMutablePointer<Header>

    init(
        capacity: UInt32, kernelNamed: UInt32 = 0, keptForAccepting: UInt32 = 0
    ) throws(SystemError) {
        precondition(kernelNamed <= capacity && keptForAccepting <= capacity)
        self.capacity = capacity
        self.kernelNamed = kernelNamed
        self.keptForAccepting = keptForAccepting
        let byteCount = Int(capacity) * MemoryLayout<Slot>.stride
        // Zero bytes are a valid slot: generation 0, `.free`, no flags.
        unsafe self.slots = try mapMemory(byteCount: byteCount)
            .bindMemory(to: Slot.self, capacity: Int(capacity))
        unsafe self.header = .allocate(capacity: 1)
        unsafe header.initialize(to: Header(untouched: kernelNamed))
    }

    func deallocate() {
        let byteCount = Int(capacity) * MemoryLayout<Slot>.stride
        unsafe unmapMemory(UnsafeMutableRawPointer(slots), byteCount: byteCount)
        unsafe header.deallocate()
    }

    /// Connections that are not free.
    var openCount: UInt32 { unsafe header.pointee.openCount }

    /// Takes a free slot for a connection in `state`; `nil` when all are in use.
    func take(_ state: State, fd: Int32 = -1) -> ConnectionID? {
        if state == .opening, openCount >= capacity - keptForAccepting { return nil }
        let index: UInt32
        if unsafe header.pointee.freeHead >= 0 {
            index = unsafe UInt32(header.pointee.freeHead)
            unsafe header.pointee.freeHead = slots[Int(index)].fd
        } else if unsafe header.pointee.spareHead >= 0 {
            index = unsafe UInt32(header.pointee.spareHead)
            unsafe header.pointee.spareHead = slots[Int(index)].fd
        } else if unsafe header.pointee.untouched < capacity {
            index = unsafe header.pointee.untouched
            unsafe header.pointee.untouched += 1
        } else {
            return nil
        }
        return claim(index, state, fd: fd)
    }

    /// Takes a slot that the kernel chose.
    ///
    /// - Precondition: it is free. The kernel gives a direct slot out again only after its close
    ///   completed, and completions of one ring come in order.
    func claim(_ index: UInt32, _ state: State, fd: Int32 = -1) -> ConnectionID {
        let generation = unsafe slots[Int(index)].generation
        unsafe precondition(
            slots[Int(index)].state == .free,
            "slot \(index) is \(slots[Int(index)].state), generation \(generation)")
        unsafe slots[Int(index)] = Slot(
            generation: generation, fd: fd, lastActive: 0, wakeWord: 0, sendHead: .none,
            sendTail: .none, receiveBuffer: .none, closeCode: 0, inFlight: 0, state: state,
            flags: [])
        unsafe header.pointee.openCount += 1
        return ConnectionID(index: index, generation: generation)
    }

    /// Gives a slot back and raises its generation: the old id is stale from here on.
    ///
    /// - Parameter isSpare: it is to be taken again after the other free ones: what it needs could
    ///   not be had.
    func release(_ id: ConnectionID, isSpare: Bool = false) {
        let index = Int(id.index)
        unsafe precondition(slots[index].state != .free && slots[index].inFlight == 0)
        unsafe slots[index].generation = (id.generation &+ 1) & ConnectionID.generationMask
        unsafe slots[index].state = .free
        unsafe header.pointee.openCount -= 1
        guard id.index >= kernelNamed else { return }
        if isSpare {
            unsafe slots[index].fd = header.pointee.spareHead
            unsafe header.pointee.spareHead = Int32(id.index)
        } else {
            unsafe slots[index].fd = header.pointee.freeHead
            unsafe header.pointee.freeHead = Int32(id.index)
        }
    }

    /// The slot of a live connection; `nil` when the id is stale.
    @inline(__always)
    func slot(_ id: ConnectionID) -> UnsafeMutablePointer<Slot>? {
        guard id.index < capacity else { return nil }
        let slot = unsafe slots + Int(id.index)
        guard unsafe slot.pointee.generation == id.generation, unsafe slot.pointee.state != .free
        else { return nil }
        return unsafe slot
    }

    /// Calls `body` for every slot that is not free.
    func forEachOpen(_ body: (ConnectionID, UnsafeMutablePointer<Slot>) -> Void) {
        let ranges = unsafe [0..<kernelNamed, kernelNamed..<header.pointee.untouched]
        for index in ranges.joined() where unsafe slots[Int(index)].state != .free {
            let slot = unsafe slots + Int(index)
            unsafe body(ConnectionID(index: index, generation: slot.pointee.generation), slot)
        }
    }
}
