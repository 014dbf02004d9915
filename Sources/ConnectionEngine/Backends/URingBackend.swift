// The io_uring backend of one worker: as many rings as its connections need, one wait point.
//
// Ring 0 is the hub: the worker sleeps only in its io_uring_enter. The other rings signal the
// worker's eventfd when they have task work, and the hub keeps a read of that eventfd armed. (A
// poll on another ring's own descriptor never wakes a DEFER_TASKRUN ring.)

import Glibc

@safe struct URingBackend: Backend, ~Copyable {
    let setup: WorkerSetup
    let features: URingFeatures
    var table: ConnectionTable { setup.table }
    var pool: BufferPool { setup.pool }
    var counters = Counters()
    private(set) var fallbacks: [String] = []

    let layout: URingLayout
    /// Never set again. A `var`, because swiftc 6.3.1 breaks off under `-sanitize=thread` ("Invalid
    /// bitcast") where an element of a `let` pointer of a noncopyable value is changed.
    @safe var rings: UnsafeMutablePointer<URing>
    private(set) var ringCount = 0
    /// Connects written into each ring's queue since it was entered. On loopback they complete
    /// within the entry that submits them, but as task work, of which an entry runs only 20 pieces
    /// unless it asks for more completions.
    var connectsQueued: [UInt32]
    /// Connections in each accepting ring's direct table.
    var liveInRing: [UInt32]
    var acceptors: [URingAcceptor]
    /// Multishot requests in each ring that were not asked to end.
    var armedInRing: [UInt32]
    /// Accept requests in each ring, and in all of them, that bring one client each.
    var singlesInRing: [UInt32]
    var singlesCount: UInt32 = 0
    /// Closes were written into the ring's queue and may not be with the kernel yet.
    var closesQueued: [Bool]
    var hasIdleAcceptor: Bool
    /// An acceptor rests after a failure: the worker must wake to arm it again.
    var hasPausedAcceptor = false

    /// The eventfd's counter is read into this word.
    @safe private let wakeWord: UnsafeMutablePointer<UInt64>
    private var isWakeReadArmed = false
    /// Completions that the hub waits for: grows while they come in batches.
    private var batchTarget: UInt32 = 1
    /// Completions were left in a queue because the batch was full.
    private var hasLeftover = false
    /// The ring that is drained first; another one each time, so that no ring's completions always
    /// find the batch full.
    private var drainStart = 0

    /// errno of a ring that could not be made in this turn; 0: none failed.
    var ringFailure: CInt = 0
    /// The same of the newest one that failed.
    var lastRingFailure: CInt = 0
    /// Coarse time before which no ring is made for accepting.
    var ringPausedUntil: UInt32 = 0
    /// Connections that have no ring, to be reported as closed.
    var ringless = ConnectionQueue()

    /// Some ring has a group of provided buffers.
    var hasGroups = false

    /// In units of 1,048,576 ns; read once per reap.
    var coarseTime: UInt32 = 0
    /// Busy connections, some of which may no longer be; swept now and then. With `.receive` those
    /// that have received since they were armed anew.
    var hotConnections: [ConnectionID] = []
    var sweptAt: UInt32 = 0
    /// Connections that found no buffer.
    var starved = ConnectionQueue()

    init(_ setup: WorkerSetup) throws(SystemError) {
        let hub = try URing.hub(setup.limits, masked: URingFeatures.all.subtracting(setup.features))
        var features = hub.features
        var fallbacks = hub.fallbacks
        let layout = setup.layout
        let ring = hub.takeRing()
        if layout.isDirect { try ring.registerDirectTable(count: layout.slotsPerRing) }
        if features.contains(.restrictions) {
            let result = ring.restrict(to: URingAllowance(setup, features, isHub: true))
            if result < 0 {
                features.remove(.restrictions)
                fallbacks.append("restrictions: refused with \(Errno(-result).name)")
            }
        }
        try ring.enable()
        self.setup = setup
        self.features = features
        self.fallbacks = fallbacks
        self.layout = layout
        self.rings = .allocate(capacity: layout.ringsMax)
        self.wakeWord = .allocate(capacity: 1)
        self.connectsQueued = Array(repeating: 0, count: layout.ringsMax)
        self.liveInRing = Array(repeating: 0, count: layout.ringsMax)
        self.armedInRing = Array(repeating: 0, count: layout.ringsMax)
        self.singlesInRing = Array(repeating: 0, count: layout.ringsMax)
        self.closesQueued = Array(repeating: false, count: layout.ringsMax)
        self.acceptors = setup.listeners.map { URingAcceptor(listener: $0) }
        self.hasIdleAcceptor = !setup.listeners.isEmpty
        unsafe rings.initialize(to: ring)
        self.ringCount = 1
        counters.rings = 1
        hotConnections.reserveCapacity(Int(min(setup.limits.hotConnections, 16_384)))
    }

    deinit {
        // Closing a ring ends its requests and its direct descriptors.
        for index in 0..<ringCount { unsafe (rings + index).deinitialize(count: 1) }
        if !layout.isDirect {
            unsafe table.forEachOpen { _, slot in
                if unsafe slot.pointee.fd >= 0 { Kernel.close(unsafe slot.pointee.fd) }
            }
        }
        unsafe rings.deallocate()
        unsafe wakeWord.deallocate()
    }

    // MARK: Backend

    mutating func submit(_ operations: inout OperationQueue) throws(SystemError) {
        ringFailure = 0
        for position in 0..<operations.count {
            switch operations[position] {
            case .connect(let id, let source, let destination):
                try startConnect(id, from: source, to: destination)
            case .arm(let id, let once): try arm(id, once: once)
            case .disarm(let id): try disarm(id)
            case .send(let id, let buffer, let byteCount):
                try enqueueSend(id, buffer, byteCount: byteCount)
            case .close(let id): try closeRequested(id, abort: false)
            case .abort(let id): try closeRequested(id, abort: true)
            }
        }
        operations.removeAll()
        if hasIdleAcceptor { try armAcceptors() }
        if hasGroups { refillGroups() }
        if !starved.isEmpty { try feedStarved() }
    }

    mutating func reap(
        into batch: inout CompletionBatch, until deadline: MonotonicTime?
    ) throws(SystemError) {
        batch.removeAll()
        if !ringless.isEmpty { reportRingless(into: &batch) }
        if !isWakeReadArmed { try armWakeRead() }
        if !hotConnections.isEmpty { try sweepHot() }
        // A full submission queue may have brought completions since the last reap.
        var mustWait = !hasLeftover && rings[0].ready == 0 && batch.count == 0
        for index in 1..<max(ringCount, 1) {
            if try enterIfNeeded(index) { mustWait = false }
        }
        if mustWait {
            try waitInHub(until: deadline)
        } else {
            _ = try enterIfNeeded(0)
        }
        coarseTime = UInt32(truncatingIfNeeded: MonotonicTime.now.nanoseconds >> 20)
        hasLeftover = false
        var index = drainStart
        for _ in 0..<ringCount {
            if rings[index].ready > 0 { try drain(index, into: &batch) }
            index = index + 1 == ringCount ? 0 : index + 1
        }
        drainStart = drainStart + 1 >= ringCount ? 0 : drainStart + 1
    }

    // MARK: Entering

    /// Enters a ring without waiting, when it has something to submit or to run.
    ///
    /// - Returns: whether there is something to drain, or more to run.
    private mutating func enterIfNeeded(_ index: Int) throws(SystemError) -> Bool {
        // A ring with unread completions is not entered, so that one entry never adds more accepted
        // connections than the reserve of free slots can take.
        if rings[index].ready > 0 { return true }
        let isNeeded =
            rings[index].pending > 0 || rings[index].hasTaskWork || rings[index].hasOverflow
        if !isNeeded { return false }
        if try !enter(index, minComplete: 0, timeout: 0) { return true }
        if rings[index].ready == 0, rings[index].hasTaskWork {
            // Twenty pieces of work completed nothing, and the rest would signal nobody.
            if try !enter(index, minComplete: setup.limits.completionEntries, timeout: 0) {
                return true
            }
        }
        // The task work flag is no reason to go on: the kernel raises it after it queued the work,
        // so it may stand over an empty list when this thread ran the work in between. What is
        // queued from here on signals the eventfd. But SQEs that the kernel did not take are a reason
        // not to sleep: nothing else would submit them.
        return rings[index].ready > 0 || rings[index].pending > 0
    }

    /// Sleeps in ring 0 until it completes something, is signalled, or `deadline` comes.
    private mutating func waitInHub(until deadline: MonotonicTime?) throws(SystemError) {
        var timeout: Int64?
        if let deadline {
            timeout = Int64(min(deadline.nanoseconds(since: .now), 1 << 60))
        }
        if !hotConnections.isEmpty { timeout = min(timeout ?? .max, hotSweepInterval) }
        if hasPausedAcceptor { timeout = min(timeout ?? .max, Int64(acceptPause)) }
        // Other rings report through one completion, so only a lone ring may wait for a batch.
        let target = ringCount == 1 ? batchTarget : 1
        try enter(0, minComplete: target, timeout: timeout)
        let reaped = rings[0].ready
        guard features.contains(.minWait) else { return }
        if reaped >= 2 * batchTarget {
            batchTarget = min(batchTarget * 2, 32)
        } else if reaped < batchTarget {
            batchTarget = max(batchTarget / 2, 1)
        }
    }

    /// One io_uring_enter, with every answer that is normal taken care of.
    ///
    /// - Returns: `false` when the kernel was interrupted or asked to be tried again: what the ring
    ///   has queued, on either side, may still be there.
    @discardableResult
    mutating func enter(
        _ index: Int, minComplete: UInt32, timeout: Int64?, submitsOnly: Bool = false
    ) throws(SystemError) -> Bool {
        var attempts = 0
        // With a timeout of 0 this asks for more without waiting for it.
        let wanted = timeout == 0 ? max(minComplete, connectsQueued[index]) : minComplete
        if !submitsOnly { connectsQueued[index] = 0 }
        if rings[index].hasOverflow { counters.completionOverflows += 1 }
        while true {
            let queued = rings[index].pending
            rings[index].publishBuffers()
            let result = rings[index].enter(
                minComplete: wanted, timeout: timeout,
                minWait: minComplete > 1 ? batchWaitMicroseconds : 0, submitsOnly: submitsOnly)
            counters.entries += 1
            if result >= 0 {
                counters.submitted += UInt64(result)
                if result < queued {
                    counters.shortSubmits += 1
                } else {
                    closesQueued[index] = false
                }
                return true
            }
            switch -result {
            case ETIME: return true
            case EINTR:
                counters.entryRetries += 1
                return false
            case EAGAIN, EBUSY:
                // No memory for requests, or completions that must be read first.
                counters.entryRetries += 1
                attempts += 1
                if rings[index].ready > 0 || minComplete > 0 && attempts > 8 { return false }
                if attempts > 10_000 {
                    throw SystemError(Errno(-result), call: "io_uring_enter")
                }
                Kernel.yield()
            case EBADR:
                counters.completionsDropped += UInt64(rings[index].dropped)
                return true
            default:
                throw SystemError(Errno(-result), call: "io_uring_enter")
            }
        }
    }

    /// Makes room for `count` SQEs in a ring; they may then be written without a check.
    @inline(__always)
    mutating func reserve(_ count: UInt32, in index: Int) throws(SystemError) {
        if rings[index].submissionRoom < count { try flush(index, room: count) }
    }

    @inline(never)
    private mutating func flush(_ index: Int, room: UInt32) throws(SystemError) {
        var attempts = 0
        while rings[index].submissionRoom < room {
            // The reserve of free slots is for what one entry accepts: while its completions are
            // unread, no further task work may accept more.
            try enter(index, minComplete: 0, timeout: 0, submitsOnly: rings[index].ready > 0)
            attempts += 1
            if attempts > 100_000 {
                throw SystemError(Errno(EBUSY), call: "io_uring_enter")
            }
        }
    }

    /// Hands what is queued to the kernel, and nothing else.
    mutating func submitQueued(_ index: Int) throws(SystemError) {
        if rings[index].pending > 0 { try flush(index, room: rings[index].submissionCapacity) }
    }

    private mutating func armWakeRead() throws(SystemError) {
        try reserve(1, in: 0)
        unsafe rings[0].prepareWakeRead(setup.wake.fd, into: wakeWord)
        isWakeReadArmed = true
    }

    // MARK: Draining

    private mutating func drain(
        _ index: Int, into batch: inout CompletionBatch
    ) throws(SystemError) {
        let ready = rings[index].ready
        var read: UInt32 = 0
        // One completion of the kernel brings at most two of ours.
        while read < ready, batch.room >= 2 {
            let completion = rings[index].completion(at: read)
            read &+= 1
            if completion.userData.kind == .wake {
                isWakeReadArmed = false
            } else {
                try complete(completion, ring: index, into: &batch)
            }
        }
        rings[index].advance(read)
        counters.reaped += UInt64(read)
        if read < ready { hasLeftover = true }
    }

    // MARK: Rings

    /// Makes a further ring.
    ///
    /// - Returns: 0, or the errno of the failure, which in the same turn is not tried again.
    mutating func addRing() -> CInt {
        precondition(ringCount < layout.ringsMax, "rings: \(ringCount)")
        if ringFailure != 0 { return ringFailure }
        do throws(SystemError) {
            let ring = try URing(
                entries: setup.limits.submissionEntries,
                completions: setup.limits.completionEntries,
                flags: rings[0].setupFlags, noIOWait: true)
            try ring.registerDirectTable(count: layout.slotsPerRing)
            try ring.registerEventFD(setup.wake.fd)
            if features.contains(.restrictions) {
                let result = ring.restrict(to: URingAllowance(setup, features, isHub: false))
                if result < 0 {
                    throw SystemError(Errno(-result), call: "io_uring_register(RESTRICTIONS)")
                }
            }
            try ring.enable()
            unsafe (rings + ringCount).initialize(to: ring)
        } catch {
            ringFailure = error.errno.code
            lastRingFailure = ringFailure
            ringPausedUntil = afterPause
            counters.ringFailures += 1
            return ringFailure
        }
        ringCount += 1
        counters.rings += 1
        return 0
    }

    /// Ends what a missing ring has kept from being opened.
    private mutating func reportRingless(into batch: inout CompletionBatch) {
        while batch.room > 0, let id = ringless.popFirst() {
            let reason = unsafe CloseReason(code: table.slots[Int(id.index)].closeCode)
            // Slots of rings that exist come first, else this one would be tried again and again.
            table.release(id, isSpare: true)
            counters.closed += 1
            if !acceptors.isEmpty { hasIdleAcceptor = true }
            batch.append(.closed(id, reason))
        }
    }
}

/// After so many microseconds a waiting hub is content with one completion.
private let batchWaitMicroseconds: UInt32 = 50

/// Nanoseconds between two looks for busy connections that have become idle.
let hotSweepInterval: Int64 = 300_000_000
