// io_uring's calls: set-up, entry, registrations.

import CLiburing
import Glibc

/// - Safety (all of these): `ring` was made by `makeRing`, has not been ended, and belongs to the
///   calling thread.
extension Kernel {
    typealias Ring = UnsafeMutablePointer<io_uring>

    /// Fills `ring`, and `parameters` with what the kernel offers.
    static func makeRing(
        entries: UInt32, _ ring: Ring, _ parameters: inout io_uring_params
    ) -> Int32 {
        unsafe io_uring_queue_init_params(entries, ring, &parameters)
    }

    /// Ends its requests and closes its direct descriptors.
    static func endRing(_ ring: Ring) {
        unsafe io_uring_queue_exit(ring)
    }

    /// io_uring_enter(2); `fd` is the ring's, or its registered index, as `flags` say.
    ///
    /// - Parameters:
    ///   - timeout: nanoseconds; negative waits without end.
    ///   - minWait: microseconds after which one completion is enough; 0: not used.
    /// - Returns: SQEs taken.
    @inline(__always)
    static func enterRing(
        fd: UInt32, submit: UInt32, minComplete: UInt32, flags: UInt32, timeout: Int64,
        minWait: UInt32
    ) -> Int32 {
        CLiburing_enter(fd, submit, minComplete, flags, timeout, minWait)
    }

    /// - Returns: 1 when the ring may be entered by its registered index from here on.
    static func registerDescriptor(of ring: Ring) -> Int32 {
        unsafe io_uring_register_ring_fd(ring)
    }

    /// Bounds the kernel's worker threads of this ring's owner.
    static func limitWorkers(of ring: Ring, to count: UInt32) -> Int32 {
        var workers: (UInt32, UInt32) = (count, count)
        return unsafe withUnsafeMutablePointer(to: &workers) { pointer in
            unsafe pointer.withMemoryRebound(to: UInt32.self, capacity: 2) {
                unsafe io_uring_register_iowq_max_workers(ring, $0)
            }
        }
    }

    static func registerFiles(_ ring: Ring, count: UInt32) -> Int32 {
        unsafe io_uring_register_files_sparse(ring, count)
    }

    /// From `enable` on, everything but what is named fails with EACCES.
    static func restrict(_ ring: Ring, _ restrictions: inout [io_uring_restriction]) -> Int32 {
        unsafe CLiburing_register_restrictions(ring, &restrictions, UInt32(restrictions.count))
    }

    /// Lets a ring begin that was made disabled.
    static func enable(_ ring: Ring) -> Int32 {
        unsafe CLiburing_enable_ring(ring)
    }

    /// - Returns: 1 when `fd`'s file is in the slot.
    static func updateFile(_ ring: Ring, slot: UInt32, fd: CInt) -> Int32 {
        var fd = fd
        return unsafe io_uring_register_files_update(ring, slot, &fd, 1)
    }

    static func registerEventFD(_ ring: Ring, _ eventFD: CInt) -> Int32 {
        unsafe io_uring_register_eventfd(ring, eventFD)
    }

    static func registerBufferRing(_ ring: Ring, _ registration: inout io_uring_buf_reg) -> Int32 {
        unsafe io_uring_register_buf_ring(ring, &registration, 0)
    }

    /// Whether the running kernel knows an operation (IORING_REGISTER_PROBE, Linux 5.6).
    static func supports(_ ring: Ring, _ operation: UInt8) -> Bool {
        guard let probe = unsafe io_uring_get_probe_ring(ring) else { return false }
        defer { unsafe io_uring_free_probe(probe) }
        return unsafe io_uring_opcode_supported(probe, CInt(operation)) != 0
    }
}
