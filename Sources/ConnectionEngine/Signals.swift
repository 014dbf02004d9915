// The two things that other threads may tell a worker: wake up, and stop.

import CLinux
import Glibc
import Synchronization

/// Set once, by any thread; read by the worker each turn.
final class StopFlag: Sendable {
    private let value = Atomic<Bool>(false)

    var isSet: Bool { value.load(ordering: .acquiring) }

    func set() {
        value.store(true, ordering: .releasing)
    }
}

/// An eventfd that ends a worker's wait. Safe from any thread.
final class WakeSignal: Sendable {
    let fd: CInt

    init() throws(SystemError) {
        fd = CInt(try kernelResult("eventfd", Int(CLinux_eventfd())))
    }

    deinit {
        _ = CLinux_close(fd)
    }

    /// Adds one to the counter; it cannot fail before 2^64 signals unread.
    func signal() {
        var one: UInt64 = 1
        _ = unsafe write(fd, &one, 8)
    }

    /// Resets the counter, so that the next wait blocks; only after the descriptor was reported
    /// readable, since the eventfd itself blocks (io_uring would not wait on a non-blocking one).
    func clear() {
        var count: UInt64 = 0
        _ = unsafe read(fd, &count, 8)
    }
}
