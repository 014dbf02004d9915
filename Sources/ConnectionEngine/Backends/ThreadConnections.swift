// The threads of the thread backend's connections and listeners.

import CLinux
import Glibc

extension ThreadWorker where H: ~Copyable {
    // MARK: Connecting

    func spawnConnect(_ operation: Operation, _ leftover: inout Leftover) {
        guard case .connect(let id, let source, let destination) = operation else { return }
        do throws(SystemError) {
            try spawn { [self] in connectAndServe(id, source, destination) }
        } catch {
            leftover.failures.append((id, error.errno.code))
        }
    }

    /// Under the lock: reports a connection that never had a descriptor.
    func failOpening(_ id: ConnectionID, _ code: CInt) {
        let isRequested = unsafe table.slots[Int(id.index)].state == .terminating
        table.release(id)
        counters.closed += 1
        handle(.closed(id, isRequested ? .requested : .failed(Errno(code))))
    }

    private func connectAndServe(
        _ id: ConnectionID, _ source: SocketAddress?, _ destination: SocketAddress
    ) {
        var leftover = Leftover()
        let fd: CInt
        do throws(SystemError) {
            fd = try connectingSocket(
                from: source, isIPv6: destination.isIPv6, nonBlocking: false,
                reusesPort: setup.reusesSourcePorts
            ).release()
        } catch {
            lock.lock()
            failOpening(id, error.errno.code)
            return finishTurn(&leftover)
        }
        lock.lock()
        let slot = unsafe table.slots + Int(id.index)
        unsafe slot.pointee.fd = fd
        let mustEnd = unsafe isStopping || slot.pointee.state == .terminating
        lock.unlock()
        let result = mustEnd ? -ECANCELED : connectSocket(fd, to: destination)
        lock.lock()
        if result < 0 {
            if unsafe slot.pointee.state == .opening {
                unsafe slot.pointee.closeCode = Int16(-result)
            }
            return unsafe close(id, slot, &leftover)
        }
        if unsafe slot.pointee.state == .terminating { return unsafe close(id, slot, &leftover) }
        unsafe slot.pointee.state = .open
        counters.connected += 1
        handle(.connected(id))
        finishTurn(&leftover)
        unsafe serve(id, slot, fd, &leftover)
    }

    // MARK: Serving

    /// Receives until the connection ends, then closes it.
    private func serve(
        _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>, _ fd: CInt,
        _ leftover: inout Leftover
    ) {
        let bytes = UnsafeMutableRawPointer.allocate(
            byteCount: Int(pool.byteCount), alignment: 64)
        defer { unsafe bytes.deallocate() }
        while true {
            let result = unsafe Kernel.receive(fd, bytes, byteCount: Int(pool.byteCount))
            if result == Int(-EINTR) { continue }
            lock.lock()
            if result <= 0 {
                unsafe noteEnd(result, slot)
                return unsafe close(id, slot, &leftover)
            }
            guard let buffer = unsafe bufferWhenArmed(slot) else {
                return unsafe close(id, slot, &leftover)
            }
            unsafe pool.address(of: buffer).copyMemory(from: bytes, byteCount: result)
            if unsafe slot.pointee.flags.contains(.once) {
                unsafe slot.pointee.flags.subtract([.armed, .once])
            }
            counters.bytesReceived += UInt64(result)
            handle(.received(id, buffer, byteCount: UInt32(result)))
            finishTurn(&leftover)
        }
    }

    /// Under the lock, which it may release meanwhile: a receive has brought the connection's end.
    /// A handler that has not armed it does not hear of the end before it does, or asks for another
    /// one: this thread waits in recv all the same, but that is nobody else's business.
    private func noteEnd(_ result: Int, _ slot: UnsafeMutablePointer<Slot>) {
        var code = result == 0 ? -1 : Int16(-result)
        // A send that waited for room may have taken a reset's error from the socket, which leaves
        // only an end for the receive.
        if result == 0, unsafe slot.pointee.flags.contains(.sending),
            isDisconnected(unsafe slot.pointee.fd)
        {
            code = Int16(ECONNRESET)
        }
        // The receive has taken the error from the socket: a send that fails reports this one; and one
        // that failed before the lock was ours was told EPIPE, which says only that it came later.
        let isCause = unsafe slot.pointee.state == .open || slot.pointee.closeCode == Int16(EPIPE)
        if result < 0, isCause { unsafe slot.pointee.closeCode = code }
        unsafe slot.pointee.flags.formUnion([.readable, .ended])
        while unsafe slot.pointee.state == .open, !isStopping,
            unsafe !slot.pointee.flags.contains(.armed)
        {
            unsafe waitForWake(slot, until: nil)
        }
        guard unsafe slot.pointee.state == .open else { return }
        unsafe slot.pointee.state = .terminating
        unsafe slot.pointee.closeCode = code
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
            // A returned buffer wakes nobody, so for buffers it looks again every millisecond.
            unsafe waitForWake(
                slot, until: isArmed ? MonotonicTime.now.advanced(byNanoseconds: 1_000_000) : nil)
        }
        return nil
    }

    /// Under the lock, which it releases meanwhile.
    private func waitForWake(_ slot: UnsafeMutablePointer<Slot>, until deadline: MonotonicTime?) {
        let word = unsafe slot.pointee.wakeWord
        lock.unlock()
        _ = unsafe CLinux_futex_wait(
            &slot.pointee.wakeWord, word, deadline.map { Int64($0.nanoseconds) } ?? -1)
        lock.lock()
    }

    /// Entered with the lock: waits until queued sends are done, closes, reports, frees the slot.
    private func close(
        _ id: ConnectionID, _ slot: UnsafeMutablePointer<Slot>, _ leftover: inout Leftover
    ) {
        // When the worker stops, the sender's socket was shut down, so it ends soon too.
        while unsafe slot.pointee.flags.contains(.sending) {
            unsafe waitForWake(slot, until: nil)
        }
        let fd = unsafe slot.pointee.fd
        if fd >= 0 { Kernel.close(fd) }
        let reason = unsafe CloseReason(code: slot.pointee.closeCode)
        table.release(id)
        counters.closed += 1
        handle(.closed(id, reason))
        finishTurn(&leftover)
    }

    // MARK: Accepting

    func spawnAcceptor(_ listener: CInt) throws(SystemError) {
        try spawn { [self] in acceptAll(listener) }
    }

    private func acceptAll(_ listener: CInt) {
        while waitForRoom() {
            let fd = Kernel.accept(listener, flags: CLinux_SOCK_CLOEXEC)
            if fd == -EAGAIN {
                // A blocking accept(2) would hold a descriptor while it waits for a client.
                waitForClient(listener)
                continue
            }
            if fd < 0 {
                if fd != -EINTR && fd != -ECONNABORTED { acceptFailed(-fd, at: .accept) }
                continue
            }
            guard let id = slotForAccepted(fd) else {
                Kernel.close(fd)
                return
            }
            do throws(SystemError) {
                try spawn { [self] in
                    var leftover = Leftover()
                    takeTurn(&leftover, .accepted(id))
                    unsafe serve(id, unsafe table.slots + Int(id.index), fd, &leftover)
                }
            } catch {
                // No thread for it: the client is refused, and the listener rests.
                lock.lock()
                table.release(id)
                counters.accepted -= 1
                lock.unlock()
                _ = Kernel.setAbortiveClose(fd)
                Kernel.close(fd)
                acceptFailed(error.errno.code, at: .thread)
            }
        }
    }

    /// While the worker is full, its clients wait in the listener's queue, without a descriptor;
    /// `false` when the worker stops.
    private func waitForRoom() -> Bool {
        lock.lock()
        defer { lock.unlock() }
        while !isStopping, !stop.isSet {
            if table.openCount < table.capacity { return true }
            lock.unlock()
            rest(nanoseconds: 10_000_000)
            lock.lock()
        }
        return false
    }

    /// A slot for an accepted client. Another listener or a connect may have filled the worker:
    /// while the worker is full the client waits, and with it those
    /// in the listener's queue; `nil` when the worker stops.
    private func slotForAccepted(_ fd: CInt) -> ConnectionID? {
        lock.lock()
        defer { lock.unlock() }
        while !isStopping {
            if let id = table.take(.open, fd: fd) {
                counters.accepted += 1
                return id
            }
            lock.unlock()
            rest(nanoseconds: 10_000_000)
            lock.lock()
        }
        return nil
    }

    /// EMFILE, ENFILE, ENOBUFS, ENOMEM or no thread: 100 ms of rest.
    private func acceptFailed(_ code: CInt, at step: Counters.AcceptStep) {
        lock.lock()
        // `endAllThreads` shuts the listeners down, which is no failure.
        let isEnding = isStopping
        if !isEnding { counters.acceptFailed(code, at: step) }
        lock.unlock()
        if isEnding { return }
        rest(nanoseconds: Int(acceptPause))
    }

    private func rest(nanoseconds: Int) {
        var time = timespec(tv_sec: 0, tv_nsec: nanoseconds)
        unsafe nanosleep(&time, nil)
    }
}
