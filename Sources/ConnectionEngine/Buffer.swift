// Where received bytes lie: a pool of equal buffers per worker, and who owes which one back.

import Glibc

/// A buffer of the worker's pool. Owned by whoever holds it: the pool, the kernel or the handler.
@frozen
public struct Buffer: Hashable, Sendable {
    public let index: UInt16

    @inlinable
    init(index: UInt16) {
        self.index = index
    }

    @usableFromInline static let none = Buffer(index: .max)
}

/// The buffers of one worker and their free list; a handle, owned by the worker that made it.
///
/// Only the worker's thread may use it (the thread backend: only under the worker's lock).
/// The free list is a stack: the buffer used last is used next, while it is still in the cache.
@usableFromInline
@safe struct BufferPool {
    @usableFromInline let base: UnsafeMutableRawPointer
    @usableFromInline let stride: Int
    @usableFromInline let byteCount: UInt32
    @usableFromInline let count: UInt32
    /// `free[0..<state.freeCount]` are the free buffers' indices.
    @usableFromInline let free: UnsafeMutablePointer<UInt16>
    /// For a buffer in a connection's send queue: what is left to send, and the one behind it.
    let pending: UnsafeMutablePointer<PendingSend>
    @usableFromInline let freeCountStorage: UnsafeMutablePointer<UInt32>
    /// Taken, and provided to rings that wait for bytes: nobody owes them back.
    private let providedCountStorage: UnsafeMutablePointer<UInt32>

    struct PendingSend {
        var offset: UInt32
        var byteCount: UInt32
        var next: Buffer
    }

    init(count: UInt32, byteCount: UInt32) throws(SystemError) {
        self.count = count
        self.byteCount = byteCount
        // One cache line more than the bytes: equal offsets of neighbours fall into other sets.
        self.stride = (Int(byteCount) + 63) / 64 * 64 + 64
        unsafe self.base = try mapMemory(byteCount: Int(count) * stride)
        unsafe self.free = .allocate(capacity: Int(count))
        unsafe self.pending = .allocate(capacity: Int(count))
        unsafe self.freeCountStorage = .allocate(capacity: 1)
        unsafe freeCountStorage.initialize(to: count)
        unsafe self.providedCountStorage = .allocate(capacity: 1)
        unsafe providedCountStorage.initialize(to: 0)
        for index in 0..<Int(count) {
            unsafe free[index] = UInt16(Int(count) - 1 - index)
        }
    }

    func deallocate() {
        unsafe unmapMemory(base, byteCount: Int(count) * stride)
        unsafe free.deallocate()
        unsafe pending.deallocate()
        unsafe freeCountStorage.deallocate()
        unsafe providedCountStorage.deallocate()
    }

    @inlinable
    var freeCount: UInt32 { unsafe freeCountStorage.pointee }

    /// Buffers with the handler, in queues of sends, or with the kernel for one connection.
    var inUseCount: UInt32 { unsafe count &- freeCount &- providedCountStorage.pointee }

    /// A buffer was provided to a ring, for whichever connection bytes come to.
    @inline(__always)
    func noteProvided() {
        unsafe providedCountStorage.pointee &+= 1
    }

    /// The kernel gave a provided buffer out.
    @inline(__always)
    func noteGivenOut() {
        unsafe providedCountStorage.pointee &-= 1
    }

    @inlinable
    func take() -> Buffer? {
        let freeCount = unsafe freeCountStorage.pointee
        if freeCount == 0 { return nil }
        unsafe freeCountStorage.pointee = freeCount &- 1
        return unsafe Buffer(index: free[Int(freeCount &- 1)])
    }

    /// - Precondition: the buffer was taken and not yet returned; more returns than buffers trap.
    @inlinable
    func putBack(_ buffer: Buffer) {
        let freeCount = unsafe freeCountStorage.pointee
        precondition(freeCount < count, "a buffer was returned twice")
        unsafe free[Int(freeCount)] = buffer.index
        unsafe freeCountStorage.pointee = freeCount &+ 1
    }

    /// - Safety: valid as long as the pool; the caller owns the buffer.
    @inlinable
    func address(of buffer: Buffer) -> UnsafeMutableRawPointer {
        unsafe base + Int(buffer.index) &* stride
    }
}

/// Zeroed memory that is only paid for where it is touched.
///
/// - Safety: the caller unmaps it once, with the same byte count.
func mapMemory(byteCount: Int) throws(SystemError) -> UnsafeMutableRawPointer {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    let memory = unsafe mmap(nil, max(byteCount, 4_096), PROT_READ | PROT_WRITE, flags, -1, 0)
    guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
        throw SystemError(
            Errno(ENOMEM), call: "mmap", remedy: "\(byteCount) bytes of address space refused")
    }
    return unsafe memory
}

/// - Safety: `memory` came from `mapMemory` with the same byte count and is not used afterwards.
func unmapMemory(_ memory: UnsafeMutableRawPointer, byteCount: Int) {
    let result = unsafe munmap(memory, max(byteCount, 4_096))
    precondition(result == 0, "munmap of our own mapping failed")
}
