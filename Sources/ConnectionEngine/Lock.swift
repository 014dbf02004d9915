// A mutual exclusion that may be taken and released in different functions of one thread.

import CLinux
import Glibc

/// A POSIX mutex. Only the thread backend's workers use one: there several threads take turns with
/// one handler. `Synchronization.Mutex` is not used because its closure cannot span a handler that
/// is not copyable together with its queues.
@safe final class Lock: @unchecked Sendable {
    @safe private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    init() {
        mutex = .allocate(capacity: 1)
        let code = unsafe pthread_mutex_init(mutex, nil)
        precondition(code == 0, "pthread_mutex_init: \(code)")
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    func lock() {
        let code = unsafe pthread_mutex_lock(mutex)
        precondition(code == 0, "pthread_mutex_lock: \(code)")
    }

    func unlock() {
        let code = unsafe pthread_mutex_unlock(mutex)
        precondition(code == 0, "pthread_mutex_unlock: \(code)")
    }
}

/// A 32-bit word that threads wait on until it changes (futex(2)).
@safe final class EventCount: @unchecked Sendable {
    @safe private let word: UnsafeMutablePointer<UInt32>

    init() {
        word = .allocate(capacity: 1)
        unsafe word.initialize(to: 0)
    }

    deinit {
        unsafe word.deallocate()
    }

    var value: UInt32 { unsafe CLinux_load(word) }

    func advance() {
        unsafe CLinux_increment(word)
        _ = unsafe CLinux_futex_wake_all(word)
    }

    /// Returns when the value is no longer `old`, at `deadline`, or spuriously.
    func wait(from old: UInt32, until deadline: MonotonicTime?) {
        let nanoseconds = deadline.map { Int64(min($0.nanoseconds, 1 << 62)) } ?? -1
        _ = unsafe CLinux_futex_wait(word, old, nanoseconds)
    }
}
