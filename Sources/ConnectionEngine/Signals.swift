// The two things that other threads may tell a worker: wake up, and stop.

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
        fd = CInt(try kernelResult("eventfd", Int(Kernel.makeEventFD())))
    }

    deinit {
        Kernel.close(fd)
    }

    func signal() {
        Kernel.signal(eventFD: fd)
    }

    /// Resets the counter, so that the next wait blocks; only after the descriptor was reported
    /// readable, since the eventfd itself blocks (io_uring would not wait on a non-blocking one).
    func clear() {
        Kernel.clear(eventFD: fd)
    }
}
