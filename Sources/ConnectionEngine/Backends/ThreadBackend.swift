// The blocking backend of one worker: a thread per connection, one handler.
//
// The circle runs in each connection's own thread: it blocks in recv, takes the worker's lock, hands
// the bytes to the handler, releases the lock and sends, blocking. Nothing is handed from thread to
// thread on an echo's way. A further thread, the worker's own, gives the handler its turns at
// `nextDue` and after a wake-up; a send asked for there is done by that thread.

import CLinux
import Glibc

/// One handler with the threads of its connections.
final class ThreadWorker<H: Handler & ~Copyable>: @unchecked Sendable {
    typealias Slot = ConnectionTable.Slot

    private let setup: WorkerSetup
    private let stop: StopFlag
    private let status: WorkerStatus
    private let table: ConnectionTable
    private let pool: BufferPool
    /// Guards everything below, the table and the pool.
    private let lock = Lock()
    private var handler: H
    private var operations: OperationQueue
    private var completions: CompletionBatch
    private var counters = Counters()
    /// Threads of connections and listeners that have not ended.
    private var liveThreads = 0
    /// Until when the worker's own thread sleeps; an earlier due time must wake it.
    private var sleepsUntil: MonotonicTime?
    private var isStopping = false
    /// Advanced to wake the worker's own thread.
    let wakeUp: EventCount

    /// What a turn leaves to be done without the lock; one per thread, so that it allocates once.
    private struct Leftover {
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
        var leftover = Leftover()
        lock.lock()
        handler.start(&operations)
        finishTurn(&leftover)
        for listener in setup.listeners { try spawnAcceptor(listener) }
        while true {
            let seen = wakeUp.value
            lock.lock()
            let due = handler.nextDue
            sleepsUntil = due ?? MonotonicTime(nanoseconds: .max)
            let mustEnd = isStopping || stop.isSet
            lock.unlock()
            if mustEnd { break }
            if due.map({ $0 > .now }) ?? true { wakeUp.wait(from: seen, until: due) }
            takeTurn(&leftover)
        }
        endAllThreads()
    }

    private func endAllThreads() {
        for listener in setup.listeners { _ = CLinux_shutdown(listener, CInt(SHUT_RDWR)) }
        lock.lock()
        isStopping = true
        unsafe table.forEachOpen { _, slot in
            // A connection without a descriptor yet looks at `isStopping` when it has one.
            if unsafe slot.pointee.fd >= 0 {
                _ = unsafe CLinux_shutdown(slot.pointee.fd, CInt(SHUT_RDWR))
            }
            unsafe wake(slot)
        }
        while liveThreads > 0 {
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
    private func takeTurn(
        _ leftover: inout Leftover, _ first: Completion? = nil, _ second: Completion? = nil
    ) {
        lock.lock()
        handle(first, second)
        finishTurn(&leftover)
    }

    /// Under the lock.
    private func handle(_ first: Completion?, _ second: Completion? = nil) {
        completions.removeAll()
        if let first { completions.append(first) }
        if let second { completions.append(second) }
        completions.reapedAt = .now
        handler.handle(completions, &operations)
        counters.turns += 1
        if counters.turns & 63 == 0 { status.publish(counters, fallbacks: nil) }
    }

    /// Carries out what the handler asked for, releases the lock, and does what may block.
    private func finishTurn(_ leftover: inout Leftover) {
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
        lock.unlock()
        while true {
            if let id = leftover.sends.popLast() {
                sendQueued(id, &leftover)
            } else if let connect = leftover.connects.popLast() {
                spawnConnect(connect, &leftover)
            } else if let (id, code) = leftover.failures.popLast() {
                failOpening(id, code, &leftover)
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

    private func enqueueSend(
        _ id: ConnectionID, _ buffer: Buffer, byteCount: UInt32, _ leftover: inout Leftover
    ) {
        guard let slot = unsafe liveSlot(id) else {
            pool.putBack(buffer)
            return
        }
        unsafe pool.pending[Int(buffer.index)] = .init(
            offset: 0, byteCount: byteCount, next: .none)
        if unsafe slot.pointee.sendHead == .none {
            unsafe slot.pointee.sendHead = buffer
        } else {
            unsafe pool.pending[Int(slot.pointee.sendTail.index)].next = buffer
        }
        unsafe slot.pointee.sendTail = buffer
        if unsafe !slot.pointee.flags.contains(.sending) {
            unsafe slot.pointee.flags.insert(.sending)
            leftover.sends.append(id)
        }
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
        if abort {
            if unsafe slot.pointee.fd >= 0 { _ = CLinux_set_abortive_close(unsafe slot.pointee.fd) }
            unsafe dropSendsBehindHead(slot)
        }
        let isSending = unsafe slot.pointee.flags.contains(.sending)
        if unsafe slot.pointee.fd >= 0, abort || !isSending {
            // Its thread wakes from recv with an end of stream, and closes.
            _ = unsafe CLinux_shutdown(slot.pointee.fd, CInt(SHUT_RDWR))
        }
        unsafe wake(slot)
    }

    private func liveSlot(_ id: ConnectionID) -> UnsafeMutablePointer<Slot>? {
        if let slot = unsafe table.slot(id), unsafe slot.pointee.state == .open {
            return unsafe slot
        }
        counters.staleOperations += 1
        return nil
    }

    private func wake(_ slot: UnsafeMutablePointer<Slot>) {
        unsafe CLinux_increment(&slot.pointee.wakeWord)
        _ = unsafe CLinux_futex_wake_all(&slot.pointee.wakeWord)
    }

    private func dropSendsBehindHead(_ slot: UnsafeMutablePointer<Slot>) {
        let head = unsafe slot.pointee.sendHead
        if head == .none { return }
        var next = unsafe pool.pending[Int(head.index)].next
        while next != .none {
            let following = unsafe pool.pending[Int(next.index)].next
            pool.putBack(next)
            next = following
        }
        unsafe pool.pending[Int(head.index)].next = .none
        unsafe slot.pointee.sendTail = head
    }

    // MARK: Sending

    /// Sends a connection's queue, blocking; the handler hears of each buffer that is done.
    private func sendQueued(_ id: ConnectionID, _ leftover: inout Leftover) {
        lock.lock()
        let slot = unsafe table.slots + Int(id.index)
        while unsafe slot.pointee.sendHead != .none {
            let buffer = unsafe slot.pointee.sendHead
            let fd = unsafe slot.pointee.fd
            let byteCount = unsafe pool.pending[Int(buffer.index)].byteCount
            lock.unlock()
            let (code, shortSends) = sendAll(fd, buffer, Int(byteCount))
            lock.lock()
            unsafe slot.pointee.sendHead = pool.pending[Int(buffer.index)].next
            pool.putBack(buffer)
            counters.shortSends += shortSends
            if code == 0 {
                counters.bytesSent += UInt64(byteCount)
                handle(.sent(id))
                submit(&leftover)
            } else {
                unsafe fail(slot, code)
            }
        }
        unsafe slot.pointee.sendTail = .none
        unsafe slot.pointee.flags.remove(.sending)
        if unsafe slot.pointee.state == .terminating {
            _ = unsafe CLinux_shutdown(slot.pointee.fd, CInt(SHUT_RDWR))
            unsafe wake(slot)
        }
        lock.unlock()
    }

    private func sendAll(_ fd: CInt, _ buffer: Buffer, _ byteCount: Int) -> (CInt, UInt64) {
        var sent = 0
        var shortSends: UInt64 = 0
        while sent < byteCount {
            let result = unsafe CLinux_send(
                fd, pool.address(of: buffer) + sent, byteCount - sent, 0)
            if result == Int(-EINTR) { continue }
            if result < 0 { return (CInt(-result), shortSends) }
            sent += result
            if sent < byteCount { shortSends += 1 }
        }
        return (0, shortSends)
    }

    /// Under the lock: the connection broke; its thread will report it.
    private func fail(_ slot: UnsafeMutablePointer<Slot>, _ code: CInt) {
        unsafe dropSendsBehindHead(slot)
        while unsafe slot.pointee.sendHead != .none {
            let buffer = unsafe slot.pointee.sendHead
            unsafe slot.pointee.sendHead = pool.pending[Int(buffer.index)].next
            pool.putBack(buffer)
        }
        if unsafe slot.pointee.state == .open {
            unsafe slot.pointee.state = .terminating
            unsafe slot.pointee.closeCode = Int16(code)
        }
    }

    // MARK: Threads of connections

    private func spawn(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
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

    private func spawnConnect(_ operation: Operation, _ leftover: inout Leftover) {
        guard case .connect(let id, let source, let destination) = operation else { return }
        do throws(SystemError) {
            try spawn { [self] in connectAndServe(id, source, destination) }
        } catch {
            leftover.failures.append((id, error.errno.code))
        }
    }

    private func failOpening(_ id: ConnectionID, _ code: CInt, _ leftover: inout Leftover) {
        lock.lock()
        table.release(id)
        counters.closed += 1
        handle(.closed(id, .failed(Errno(code))))
        finishTurn(&leftover)
    }

    private func connectAndServe(
        _ id: ConnectionID, _ source: SocketAddress?, _ destination: SocketAddress
    ) {
        var leftover = Leftover()
        let fd: CInt
        do throws(SystemError) {
            fd = try connectingSocket(
                from: source, isIPv6: destination.isIPv6, nonBlocking: false
            ).release()
        } catch {
            return failOpening(id, error.errno.code, &leftover)
        }
        lock.lock()
        let slot = unsafe table.slots + Int(id.index)
        unsafe slot.pointee.fd = fd
        let mustEnd = unsafe isStopping || slot.pointee.state == .terminating
        lock.unlock()
        let result = mustEnd ? -ECANCELED : connectSocket(fd, to: destination)
        if result < 0 {
            lock.lock()
            if unsafe slot.pointee.state == .opening {
                unsafe slot.pointee.closeCode = Int16(-result)
            }
            return unsafe close(id, slot, &leftover)
        }
        lock.lock()
        if unsafe slot.pointee.state == .terminating { return unsafe close(id, slot, &leftover) }
        unsafe slot.pointee.state = .open
        counters.connected += 1
        handle(.connected(id))
        finishTurn(&leftover)
        unsafe serve(id, slot, &leftover)
    }

    /// Receives until the connection ends, then closes it.
    private func serve(
        _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>, _ leftover: inout Leftover
    ) {
        let fd = unsafe slot.pointee.fd
        let bytes = UnsafeMutableRawPointer.allocate(
            byteCount: Int(pool.byteCount), alignment: 64)
        defer { unsafe bytes.deallocate() }
        while true {
            let result = unsafe CLinux_recv(fd, bytes, Int(pool.byteCount), 0)
            if result == Int(-EINTR) { continue }
            lock.lock()
            if result <= 0 {
                if unsafe slot.pointee.state == .open {
                    unsafe slot.pointee.state = .terminating
                    unsafe slot.pointee.closeCode = result == 0 ? -1 : Int16(-result)
                }
                return unsafe close(id, slot, &leftover)
            }
            guard let buffer = unsafe bufferWhenArmed(slot) else { return unsafe close(id, slot, &leftover) }
            unsafe pool.address(of: buffer).copyMemory(from: bytes, byteCount: result)
            if unsafe slot.pointee.flags.contains(.once) {
                unsafe slot.pointee.flags.subtract([.armed, .once])
            }
            counters.bytesReceived += UInt64(result)
            handle(.received(id, buffer, byteCount: UInt32(result)))
            finishTurn(&leftover)
        }
    }

    /// Under the lock, which it may release meanwhile: waits until the handler wants bytes and a
    /// buffer is free; `nil` when the connection is to end instead.
    private func bufferWhenArmed(_ slot: UnsafeMutablePointer<Slot>) -> Buffer? {
        var isStarved = false
        unsafe slot.pointee.flags.insert(.readable)
        defer { unsafe slot.pointee.flags.remove(.readable) }
        while unsafe slot.pointee.state == .open, !isStopping {
            let isArmed = unsafe slot.pointee.flags.contains(.armed)
            if isArmed, let buffer = pool.take() { return buffer }
            if isArmed, !isStarved {
                isStarved = true
                counters.bufferStarvations += 1
            }
            let word = unsafe slot.pointee.wakeWord
            lock.unlock()
            // A returned buffer wakes nobody, so for buffers it looks again every millisecond.
            let deadline = isArmed ? MonotonicTime.now.advanced(byNanoseconds: 1_000_000) : nil
            _ = unsafe CLinux_futex_wait(
                &slot.pointee.wakeWord, word, deadline.map { Int64($0.nanoseconds) } ?? -1)
            lock.lock()
        }
        return nil
    }

    /// Entered with the lock: waits until queued sends are done, closes, reports, frees the slot.
    private func close(
        _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>, _ leftover: inout Leftover
    ) {
        while unsafe slot.pointee.flags.contains(.sending), !isStopping {
            let word = unsafe slot.pointee.wakeWord
            lock.unlock()
            _ = unsafe CLinux_futex_wait(&slot.pointee.wakeWord, word, -1)
            lock.lock()
        }
        while unsafe slot.pointee.flags.contains(.sending) {
            // Stopping: the sender's socket was shut down, so it ends at once.
            lock.unlock()
            sched_yield()
            lock.lock()
        }
        let fd = unsafe slot.pointee.fd
        if fd >= 0 { _ = CLinux_close(fd) }
        let reason = unsafe CloseReason(code: slot.pointee.closeCode)
        table.release(id)
        counters.closed += 1
        handle(.closed(id, reason))
        finishTurn(&leftover)
    }

    // MARK: Accepting

    private func spawnAcceptor(_ listener: CInt) throws(SystemError) {
        try spawn { [self] in acceptAll(listener) }
    }

    private func acceptAll(_ listener: CInt) {
        while !stop.isSet {
            let fd = CLinux_accept(listener, CLinux_SOCK_CLOEXEC)
            if fd < 0 {
                if fd == -EINVAL { return }  // shut down by `endAllThreads`
                if fd != -EINTR && fd != -ECONNABORTED { pauseAccepting() }
                continue
            }
            lock.lock()
            if isStopping {
                lock.unlock()
                _ = CLinux_close(fd)
                return
            }
            guard let id = table.take(.open, fd: fd) else {
                counters.acceptTableFull += 1
                lock.unlock()
                _ = CLinux_close(fd)
                continue
            }
            counters.accepted += 1
            lock.unlock()
            do throws(SystemError) {
                try spawn { [self] in
                    var leftover = Leftover()
                    takeTurn(&leftover, .accepted(id))
                    unsafe serve(id, unsafe table.slots + Int(id.index), &leftover)
                }
            } catch {
                // No thread for it: the client is refused, and the listener rests.
                lock.lock()
                table.release(id)
                counters.accepted -= 1
                counters.acceptFailures += 1
                lock.unlock()
                _ = CLinux_set_abortive_close(fd)
                _ = CLinux_close(fd)
                pauseAccepting()
            }
        }
    }

    /// EMFILE, ENFILE, ENOBUFS, ENOMEM or no thread: 100 ms of rest.
    private func pauseAccepting() {
        lock.lock()
        counters.acceptFailures += 1
        lock.unlock()
        var rest = timespec(tv_sec: 0, tv_nsec: 100_000_000)
        unsafe nanosleep(&rest, nil)
    }
}
