// The blocking backend of one worker: a thread per connection, one handler.
//
// The circle runs in each connection's own thread: it blocks in recv, takes the worker's lock,
// hands the bytes to the handler, releases the lock and sends. Nothing is handed from thread to
// thread on an echo's way. A further thread, the worker's own, gives the handler its turns at
// `nextDue` and after a wake-up. A send that finds the socket full is finished by a thread made for
// it, so that the thread that took the turn goes on (`ThreadSending.swift`).

import CLinux
import Glibc

/// One handler with the threads of its connections.
final class ThreadWorker<H: Handler & ~Copyable>: @unchecked Sendable {
    typealias Slot = ConnectionTable.Slot

    let setup: WorkerSetup
    let stop: StopFlag
    private let status: WorkerStatus
    let table: ConnectionTable
    let pool: BufferPool
    /// Guards everything below, the table and the pool.
    let lock = Lock()
    private var handler: H
    private var operations: OperationQueue
    private var completions: CompletionBatch
    var counters = Counters()
    private var publishedAt = MonotonicTime.zero
    /// Threads of connections and listeners that have not ended.
    private var liveThreads = 0
    /// Until when the worker's own thread sleeps; an earlier due time must wake it.
    private var sleepsUntil: MonotonicTime?
    /// The handler takes no further turns, and every thread is to end.
    var isStopping = false
    /// Advanced to wake the worker's own thread.
    let wakeUp: EventCount
    /// Its value before the newest turn of that thread; a wake-up that comes later ends its wait.
    private var seen: UInt32

    /// What a turn leaves to be done without the lock; one per thread, so that it allocates once.
    struct Leftover {
        var sends: [ConnectionID] = []
        var connects: [Operation] = []
        var failures: [(ConnectionID, CInt)] = []
    }

    init(
        _ setup: WorkerSetup, stop: StopFlag, status: WorkerStatus, wakeUp: EventCount,
        handler: consuming H
    ) {
        self.setup = setup
        self.stop = stop
        self.status = status
        self.wakeUp = wakeUp
        self.seen = wakeUp.value
        self.table = setup.table
        self.pool = setup.pool
        self.handler = handler
        self.completions = CompletionBatch(capacity: 2)
        self.operations = OperationQueue(
            capacity: 4 * Int(setup.limits.completionsPerTurn), table: setup.table,
            pool: setup.pool)
    }

    // MARK: The worker's own thread

    /// Runs until `stop` is set or the handler stops its worker, and all threads have ended.
    func run() throws(SystemError) {
        // Whatever ends it: the table and the pool outlive their last user.
        defer { endAllThreads() }
        var leftover = Leftover()
        lock.lock()
        handler.start(&operations)
        finishTurn(&leftover)
        for listener in setup.listeners { try spawnAcceptor(listener) }
        while true {
            lock.lock()
            let due = handler.nextDue
            sleepsUntil = due ?? MonotonicTime(nanoseconds: .max)
            let mustEnd = isStopping || stop.isSet
            lock.unlock()
            if mustEnd { return }
            if due.map({ $0 > .now }) ?? true { wakeUp.wait(from: seen, until: due) }
            seen = wakeUp.value
            takeTurn(&leftover)
        }
    }

    private func endAllThreads() {
        lock.lock()
        // Before the listeners' end, so that their threads know it for ours.
        isStopping = true
        for listener in setup.listeners { _ = CLinux_shutdown(listener, CInt(SHUT_RDWR)) }
        while true {
            // Again and again: a thread may have been on its way into a connect that blocks.
            unsafe table.forEachOpen { _, slot in
                // A connection without a descriptor yet looks at `isStopping` when it has one.
                if unsafe slot.pointee.fd >= 0 {
                    _ = unsafe CLinux_shutdown(slot.pointee.fd, CInt(SHUT_RDWR))
                }
                unsafe wake(slot)
            }
            if liveThreads == 0 { break }
            let seen = wakeUp.value
            lock.unlock()
            wakeUp.wait(from: seen, until: .now.advanced(byNanoseconds: 50_000_000))
            lock.lock()
        }
        status.publish(counters, fallbacks: nil)
        lock.unlock()
    }

    // MARK: Turns

    /// Gives the handler a turn with nothing, one or two completions.
    func takeTurn(
        _ leftover: inout Leftover, _ first: Completion? = nil, _ second: Completion? = nil
    ) {
        lock.lock()
        handle(first, second)
        finishTurn(&leftover)
    }

    /// Under the lock. Once the worker stops, completions have nobody to go to.
    func handle(_ first: Completion?, _ second: Completion? = nil) {
        if isStopping {
            for case .received(_, let buffer, _)? in [first, second] { pool.putBack(buffer) }
            return
        }
        completions.removeAll()
        if let first { completions.append(first) }
        if let second { completions.append(second) }
        completions.reapedAt = .now
        handler.handle(completions, &operations)
        counters.turns += 1
        if completions.reapedAt.nanoseconds(since: publishedAt) > WorkerStatus.interval {
            publishedAt = completions.reapedAt
            status.publish(counters, fallbacks: nil)
        }
    }

    /// Carries out what the handler asked for, releases the lock, and does what may block.
    func finishTurn(_ leftover: inout Leftover) {
        settle(&leftover)
        lock.unlock()
        finish(&leftover)
    }

    /// Under the lock, after every turn: takes the handler's operations, its stop and its due time.
    func settle(_ leftover: inout Leftover) {
        submit(&leftover)
        if operations.isStopRequested, !isStopping {
            isStopping = true
            wakeUp.advance()
        }
        if let due = handler.nextDue, let sleepsUntil, due < sleepsUntil {
            self.sleepsUntil = due
            wakeUp.advance()
        }
        counters.queueGrowths = operations.growths
    }

    /// Without the lock: what turns have left to do, until nothing is left.
    func finish(_ leftover: inout Leftover) {
        while true {
            if let id = leftover.sends.popLast() {
                sendQueued(id, &leftover, waits: false)
            } else if let connect = leftover.connects.popLast() {
                spawnConnect(connect, &leftover)
            } else if let (id, code) = leftover.failures.popLast() {
                // Not a turn of its own: a handler that connects again at once would nest them.
                lock.lock()
                failOpening(id, code)
                settle(&leftover)
                lock.unlock()
            } else {
                return
            }
        }
    }

    /// Under the lock: changes states, and notes in `leftover` what has to block.
    private func submit(_ leftover: inout Leftover) {
        for position in 0..<operations.count {
            switch operations[position] {
            case .connect: leftover.connects.append(operations[position])
            case .arm(let id, let once): arm(id, once: once)
            case .disarm(let id): disarm(id)
            case .send(let id, let buffer, let byteCount):
                enqueueSend(id, buffer, byteCount: byteCount, &leftover)
            case .close(let id): closeRequested(id, abort: false)
            case .abort(let id): closeRequested(id, abort: true)
            }
        }
        operations.removeAll()
    }

    private func arm(_ id: ConnectionID, once: Bool) {
        guard let slot = unsafe liveSlot(id) else { return }
        if unsafe slot.pointee.flags.contains(.armed) {
            if !once { unsafe slot.pointee.flags.remove(.once) }
            return
        }
        unsafe slot.pointee.flags.insert(once ? [.armed, .once] : .armed)
        // Only a thread that has bytes and may not deliver them waits for this.
        if unsafe slot.pointee.flags.contains(.readable) { unsafe wake(slot) }
    }

    /// Its thread may be in recv(2); it keeps what that brings until the connection is armed again.
    private func disarm(_ id: ConnectionID) {
        guard let slot = unsafe liveSlot(id) else { return }
        unsafe slot.pointee.flags.subtract([.armed, .once])
    }

    private func closeRequested(_ id: ConnectionID, abort: Bool) {
        guard let slot = unsafe table.slot(id) else {
            counters.staleOperations += 1
            return
        }
        if unsafe slot.pointee.state != .terminating {
            unsafe slot.pointee.state = .terminating
            unsafe slot.pointee.closeCode = 0
        }
        let fd = unsafe slot.pointee.fd
        if abort { unsafe pool.dropSendsBehindHead(slot) }
        if fd >= 0 {
            if abort {
                reset(fd)
            } else if unsafe !slot.pointee.flags.contains(.sending) {
                unsafe endStream(slot)
            }
        }
        unsafe wake(slot)
    }

    private func reset(_ fd: CInt) {
        _ = Kernel.setAbortiveClose(fd)
        // A shutdown would tell the peer of an end before it hears of the reset.
        if !disconnectSocket(fd) { _ = CLinux_shutdown(fd, CInt(SHUT_RDWR)) }
    }

    /// Under the lock: ends both directions; the connection's thread wakes from recv, and closes.
    func endStream(_ slot: UnsafeMutablePointer<Slot>) {
        // TCP answers a close that throws bytes away with a reset (RFC 2525, 2.17). Bytes that the
        // thread has taken from the socket and cannot deliver are such ones, though close(2) does
        // not know of them.
        let flags = unsafe slot.pointee.flags
        if flags.contains(.readable), !flags.contains(.ended) {
            reset(unsafe slot.pointee.fd)
        } else {
            _ = unsafe CLinux_shutdown(slot.pointee.fd, CInt(SHUT_RDWR))
        }
    }

    func liveSlot(_ id: ConnectionID) -> UnsafeMutablePointer<Slot>? {
        if let slot = unsafe table.slot(id), unsafe slot.pointee.state == .open {
            return unsafe slot
        }
        counters.staleOperations += 1
        return nil
    }

    /// Under the lock: wakes the connection's threads that wait on its word.
    func wake(_ slot: UnsafeMutablePointer<Slot>) {
        unsafe CLinux_increment(&slot.pointee.wakeWord)
        _ = unsafe CLinux_futex_wake_all(&slot.pointee.wakeWord)
    }

    // MARK: Threads

    /// Starts a thread that ends by itself; `endAllThreads` waits for it.
    func spawn(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
        lock.lock()
        liveThreads += 1
        counters.threads += 1
        lock.unlock()
        do throws(SystemError) {
            _ = try Thread(
                name: "connection", stackByteCount: Int(setup.limits.threadStackByteCount),
                detached: true
            ) { [self] in
                body()
                threadEnded()
            }
        } catch {
            threadEnded()
            throw error
        }
    }

    private func threadEnded() {
        lock.lock()
        liveThreads -= 1
        let wasLast = liveThreads == 0
        lock.unlock()
        if wasLast { wakeUp.advance() }
    }
}
