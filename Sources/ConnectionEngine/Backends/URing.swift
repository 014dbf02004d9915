// One io_uring instance: its queues, its direct table, its provided buffers. The `URing*`
// files are the only importers of CLiburing.

import CLiburing
import Glibc

/// A ring, owned and entered by the one thread that made it (IORING_SETUP_SINGLE_ISSUER).
@safe struct URing: ~Copyable {
    private let ring: UnsafeMutablePointer<io_uring>
    private let submissionEntries: UnsafeMutablePointer<io_uring_sqe>
    private let submissionMask: UInt32
    let submissionCapacity: UInt32
    private let completionEntries: UnsafeMutablePointer<io_uring_cqe>
    private let completionMask: UInt32
    /// 32 bytes per SQE for the address that it names.
    @safe private let addresses: UnsafeMutableRawPointer
    /// SQEs written so far; published to the kernel by `enter`.
    private var submissionTail: UInt32 = 0
    private var completionHead: UInt32 = 0
    private var enterFD: UInt32
    private var enterFlags: UInt32
    private(set) var setupFlags: UInt32
    let features: UInt32
    private(set) var buffers: ProvidedBuffers?

    /// The provided-buffer ring (group 0) of one io_uring instance.
    @safe struct ProvidedBuffers {
        let entries: UnsafeMutablePointer<io_uring_buf>
        let count: UInt32
        var tail: UInt16 = 0
        /// Buffers that the kernel holds now.
        var held: UInt32 = 0
    }

    /// Makes a ring that takes registrations, and nothing else before ``enable()``.
    ///
    /// - Parameter flags: setup flags, tried as they are.
    /// - Throws: with the likely cause (disabled by sysctl, seccomp, too old a kernel, memory).
    init(
        entries: UInt32, completions: UInt32, flags: UInt32, noIOWait: Bool
    ) throws(SystemError) {
        unsafe self.ring = .allocate(capacity: 1)
        var parameters = io_uring_params()
        parameters.cq_entries = completions
        parameters.flags =
            flags | CLiburing_SETUP_CQSIZE | CLiburing_SETUP_CLAMP | CLiburing_SETUP_R_DISABLED
        let result = unsafe Kernel.makeRing(entries: entries, ring, &parameters)
        guard result == 0 else {
            unsafe ring.deallocate()
            throw URing.setupError(Errno(-result))
        }
        self.setupFlags = flags
        self.features = parameters.features
        unsafe self.submissionEntries = ring.pointee.sq.sqes
        self.submissionMask = unsafe ring.pointee.sq.kring_mask.pointee
        self.submissionCapacity = unsafe ring.pointee.sq.kring_entries.pointee
        unsafe self.completionEntries = ring.pointee.cq.cqes
        self.completionMask = unsafe ring.pointee.cq.kring_mask.pointee
        self.enterFD = unsafe UInt32(ring.pointee.ring_fd)
        self.enterFlags = 0
        self.addresses = .allocate(byteCount: 32 * Int(submissionCapacity), alignment: 8)
        if unsafe Kernel.registerDescriptor(of: ring) == 1 {
            self.enterFD = unsafe UInt32(ring.pointee.enter_ring_fd)
            self.enterFlags |= CLiburing_ENTER_REGISTERED_RING
        }
        if noIOWait, features & CLiburing_FEAT_NO_IOWAIT != 0 {
            self.enterFlags |= CLiburing_ENTER_NO_IOWAIT
        }
        // Nothing on the network path may reach a kernel worker thread; should something do so
        // after all, two threads bound the damage.
        _ = unsafe Kernel.limitWorkers(of: ring, to: 1)
    }

    deinit {
        if let buffers = buffers {
            unsafe unmapMemory(
                UnsafeMutableRawPointer(buffers.entries),
                byteCount: Int(buffers.count) * MemoryLayout<io_uring_buf>.stride)
        }
        unsafe Kernel.endRing(ring)
        unsafe addresses.deallocate()
        unsafe ring.deallocate()
    }

    /// It is entered by its place in the thread's table of rings, of which there are 16.
    var isInThreadTable: Bool { enterFlags & CLiburing_ENTER_REGISTERED_RING != 0 }

    // MARK: Submission

    /// Room for further SQEs before the next entry.
    var submissionRoom: UInt32 { submissionCapacity &- pending }

    /// SQEs that the kernel has not taken.
    var pending: UInt32 {
        unsafe submissionTail &- CLiburing_load_acquire(ring.pointee.sq.khead)
    }

    /// The next free SQE.
    ///
    /// - Precondition: `submissionRoom` is not 0.
    /// - Safety: belongs to the ring and is the caller's until the next `enter`.
    @inline(__always)
    mutating func nextEntry() -> UnsafeMutablePointer<io_uring_sqe> {
        let entry = unsafe submissionEntries + Int(submissionTail & submissionMask)
        submissionTail &+= 1
        return unsafe entry
    }

    /// Enters the kernel once: submits what is queued, runs its task work, and waits until
    /// `minComplete` completions are there, or `timeout` is over.
    ///
    /// - Parameters:
    ///   - submitsOnly: leaves the task work (with DEFER_TASKRUN) for a later entry.
    ///   - timeout: nanoseconds; `nil` waits without end.
    ///   - minWait: microseconds after which one completion is enough; 0: not used.
    /// - Returns: SQEs taken, or -errno.
    mutating func enter(
        minComplete: UInt32, timeout: Int64?, minWait: UInt32, submitsOnly: Bool
    ) -> Int32 {
        unsafe CLiburing_store_release(ring.pointee.sq.ktail, submissionTail)
        let flags = submitsOnly ? enterFlags : CLiburing_ENTER_GETEVENTS | enterFlags
        return Kernel.enterRing(
            fd: enterFD, submit: pending, minComplete: minComplete, flags: flags,
            timeout: timeout ?? -1, minWait: minWait)
    }

    /// The kernel has work for this ring's thread: it must enter, or nothing completes.
    var hasTaskWork: Bool { flagWord & CLiburing_SQ_TASKRUN != 0 }

    /// Completions wait in the kernel because the queue was full.
    var hasOverflow: Bool { flagWord & CLiburing_SQ_CQ_OVERFLOW != 0 }

    private var flagWord: UInt32 { unsafe CLiburing_load_relaxed(ring.pointee.sq.kflags) }

    /// Completions lost for lack of kernel memory.
    var dropped: UInt32 { unsafe CLiburing_load_relaxed(ring.pointee.cq.koverflow) }

    /// Keeps an address in place until the next SQE has been taken by the kernel.
    ///
    /// - Safety: one place per SQE, so it is not written again before that.
    mutating func storeAddress(_ address: SocketAddress) -> UnsafeRawPointer {
        let place = unsafe addresses + Int(submissionTail & submissionMask) * 32
        unsafe address.write(to: place)
        return UnsafeRawPointer(place)
    }

    /// The same for an address of family AF_UNSPEC.
    mutating func storeZeroAddress() -> UnsafeRawPointer {
        let place = unsafe addresses + Int(submissionTail & submissionMask) * 32
        unsafe place.initializeMemory(as: UInt64.self, repeating: 0, count: 4)
        return UnsafeRawPointer(place)
    }

    /// The same for an option's value: a C int of 1.
    mutating func storeOne() -> UnsafeRawPointer {
        let place = unsafe addresses + Int(submissionTail & submissionMask) * 32
        unsafe place.storeBytes(of: 1, as: CInt.self)
        return UnsafeRawPointer(place)
    }

    // MARK: Completion

    /// Completions that can be read now.
    var ready: UInt32 {
        unsafe CLiburing_load_acquire(ring.pointee.cq.ktail) &- completionHead
    }

    /// Reads the completion `offset` places behind the head.
    ///
    /// - Precondition: `offset < ready`.
    @inline(__always)
    func completion(at offset: UInt32) -> Completion {
        let entry = unsafe completionEntries + Int((completionHead &+ offset) & completionMask)
        return unsafe Completion(
            userData: UserData(rawValue: entry.pointee.user_data), result: entry.pointee.res,
            flags: entry.pointee.flags)
    }

    /// Hands `count` read completions back to the kernel.
    mutating func advance(_ count: UInt32) {
        completionHead &+= count
        unsafe CLiburing_store_release(ring.pointee.cq.khead, completionHead)
    }

    /// One CQE.
    struct Completion {
        let userData: UserData
        let result: Int32
        let flags: UInt32

        /// The request stays armed (IORING_CQE_F_MORE).
        var isMore: Bool { flags & CLiburing_CQE_F_MORE != 0 }
        /// The provided buffer that the kernel chose.
        var buffer: Buffer? {
            if flags & CLiburing_CQE_F_BUFFER == 0 { return nil }
            return Buffer(index: UInt16(truncatingIfNeeded: flags >> CLiburing_CQE_BUFFER_SHIFT))
        }
    }

    // MARK: Registration

    /// Makes an empty table of `count` direct descriptors.
    func registerDirectTable(count: UInt32) throws(SystemError) {
        let result = unsafe Kernel.registerFiles(ring, count: count)
        if result < 0 {
            throw SystemError(
                Errno(-result), call: "io_uring_register(FILES2)",
                remedy: "a direct table of \(count) needs RLIMIT_NOFILE >= \(count): ulimit -n")
        }
    }

    /// From ``enable()`` on, everything but what is allowed fails with EACCES.
    ///
    /// - Returns: 0, or -errno.
    func restrict(to allowed: URingAllowance) -> Int32 {
        var restrictions = allowed.restrictions
        return unsafe Kernel.restrict(ring, &restrictions)
    }

    /// Lets the ring begin. The calling thread is the only one that may enter it from here on.
    func enable() throws(SystemError) {
        let result = unsafe Kernel.enable(ring)
        if result < 0 { throw SystemError(Errno(-result), call: "io_uring_register(ENABLE_RINGS)") }
    }

    /// Puts an open descriptor into a slot of the direct table; the caller still closes its own.
    func installDirect(_ fd: CInt, slot: UInt32) -> Int32 {
        unsafe Kernel.updateFile(ring, slot: slot, fd: fd)
    }

    /// The kernel signals `eventFD` whenever this ring's thread should enter it.
    func registerEventFD(_ eventFD: CInt) throws(SystemError) {
        let result = unsafe Kernel.registerEventFD(ring, eventFD)
        if result < 0 { throw SystemError(Errno(-result), call: "io_uring_register(EVENTFD)") }
    }

    /// Makes buffer group 0 with room for `count` buffers (Linux 5.19); it begins empty.
    mutating func registerBuffers(count: UInt32) throws(SystemError) {
        precondition(buffers == nil && count.nonzeroBitCount == 1)
        let byteCount = Int(count) * MemoryLayout<io_uring_buf>.stride
        let memory = unsafe try mapMemory(byteCount: byteCount)
        var registration = io_uring_buf_reg()
        registration.ring_addr = UInt64(UInt(bitPattern: memory))
        registration.ring_entries = count
        let result = unsafe Kernel.registerBufferRing(ring, &registration)
        if result < 0 {
            unsafe unmapMemory(memory, byteCount: byteCount)
            throw SystemError(Errno(-result), call: "io_uring_register(PBUF_RING)")
        }
        let entries = unsafe memory.bindMemory(to: io_uring_buf.self, capacity: Int(count))
        unsafe buffers = ProvidedBuffers(entries: entries, count: count)
    }

    /// Gives a buffer to group 0; seen by the kernel after `publishBuffers`.
    ///
    /// - Precondition: the group exists and holds fewer than its count.
    /// - Safety: the buffer's memory outlives the ring.
    @inline(__always)
    mutating func provide(_ buffer: Buffer, at address: UnsafeMutableRawPointer, byteCount: UInt32)
    {
        precondition(buffers!.held < buffers!.count, "provided buffers overflow")
        let position = Int(UInt32(buffers!.tail) & (buffers!.count &- 1))
        let entry = unsafe buffers!.entries + position
        // The tail lies in the last two bytes of entry 0, so the fields are stored one by one.
        unsafe entry.pointee.addr = UInt64(UInt(bitPattern: address))
        unsafe entry.pointee.len = byteCount
        unsafe entry.pointee.bid = buffer.index
        buffers!.tail &+= 1
        buffers!.held &+= 1
    }

    /// Lets the kernel see the buffers provided so far.
    func publishBuffers() {
        guard let buffers = buffers else { return }
        let tail = unsafe UnsafeMutableRawPointer(buffers.entries).advanced(by: 14)
            .assumingMemoryBound(to: UInt16.self)
        unsafe CLiburing_store_release16(tail, buffers.tail)
    }

    /// The group exists and holds fewer buffers than it may.
    var isGroupShort: Bool {
        guard let buffers else { return false }
        return buffers.held < buffers.count
    }

    /// Less than half of the group is there.
    var isGroupLow: Bool {
        guard let buffers else { return false }
        return buffers.held < buffers.count / 2
    }

    /// A quarter of the group is there: a multishot receive may be armed again.
    var hasBuffers: Bool {
        guard let buffers else { return false }
        return buffers.held >= max(buffers.count / 4, 1)
    }

    /// Notes that the kernel gave a provided buffer out.
    @inline(__always)
    mutating func tookBuffer() {
        buffers!.held &-= 1
    }

    /// Whether the running kernel knows an operation (IORING_REGISTER_PROBE, Linux 5.6).
    func supports(_ operation: UInt8) -> Bool {
        unsafe Kernel.supports(ring, operation)
    }

    private static func setupError(_ errno: Errno) -> SystemError {
        let remedy: String
        switch errno.code {
        case EPERM, EACCES:
            remedy =
                "io_uring is forbidden here: check sysctl kernel.io_uring_disabled (0 allows it)"
                + " and the container's seccomp profile"
        case ENOSYS:
            remedy =
                "this kernel or sandbox has no io_uring: the engine needs Linux 6.1 or newer,"
                + " or a seccomp profile that allows io_uring_setup"
        case ENOMEM:
            remedy = "no memory for the ring: raise RLIMIT_MEMLOCK (ulimit -l) or free memory"
        case EMFILE, ENFILE:
            remedy = "no descriptor left for the ring: raise RLIMIT_NOFILE (ulimit -n)"
        default:
            remedy = ""
        }
        return SystemError(errno, call: "io_uring_setup", remedy: remedy)
    }
}
