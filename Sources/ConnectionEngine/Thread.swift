// Permanent threads. Never a Task's or a dispatch queue's: the kernel cancels the requests of a
// thread that exits.

import CLinux
import Glibc

/// A POSIX thread that is joined exactly once.
struct Thread: Sendable {
    private let handle: pthread_t

    private final class Entry {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts a thread.
    ///
    /// - Parameters:
    ///   - name: at most 15 bytes are shown by the system.
    ///   - stackByteCount: 0 for the system's default.
    ///   - processor: the only one it may run on; `nil` for all.
    ///   - detached: it cleans up after itself and must not be joined.
    /// - Throws: EAGAIN at a thread limit (threads-max, pid_max, cgroup pids.max), ENOMEM at
    ///   vm.max_map_count.
    init(
        name: String, stackByteCount: Int = 0, processor: UInt32? = nil, detached: Bool = false,
        _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        defer { unsafe pthread_attr_destroy(&attributes) }
        if stackByteCount > 0 {
            unsafe pthread_attr_setstacksize(&attributes, stackByteCount)
        }
        if detached {
            unsafe pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
        }
        let entry = Entry(name: name) {
            if let processor { _ = CLinux_pin_thread(processor) }
            body()
        }
        var handle = pthread_t()
        let context = unsafe Unmanaged.passRetained(entry).toOpaque()
        let code = unsafe pthread_create(&handle, &attributes, threadMain, context)
        guard code == 0 else {
            unsafe Unmanaged<Entry>.fromOpaque(context).release()
            throw SystemError(
                Errno(code), call: "pthread_create",
                remedy: "a thread limit: see kernel.threads-max, kernel.pid_max,"
                    + " vm.max_map_count, ulimit -u and the cgroup's pids.max")
        }
        self.handle = handle
    }

    func join() {
        let code = pthread_join(handle, nil)
        precondition(code == 0, "pthread_join: \(code)")
    }

    fileprivate static func run(_ context: UnsafeMutableRawPointer) {
        let entry = unsafe Unmanaged<Entry>.fromOpaque(context).takeRetainedValue()
        unsafe entry.name.withCString { _ = unsafe CLinux_name_thread($0) }
        entry.body()
    }
}

private func threadMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let context = unsafe context { unsafe Thread.run(context) }
    return nil
}
