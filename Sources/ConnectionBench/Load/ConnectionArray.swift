// One value per connection index, paid for only where connections are.

import Glibc

/// A fixed array of plain values, all zero bytes at first; pages that were never touched cost
/// nothing, so it may be as large as the worker's index space.
struct ConnectionArray<Element: BitwiseCopyable>: ~Copyable {
    private let base: UnsafeMutablePointer<Element>
    let count: Int

    /// - Precondition: zero bytes are a valid `Element`, and address space can be had.
    init(count: Int) {
        let byteCount = max(count, 1) * MemoryLayout<Element>.stride
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0),
            memory != MAP_FAILED
        else { fatalError("no address space for \(byteCount) bytes") }
        base = memory.bindMemory(to: Element.self, capacity: max(count, 1))
        self.count = count
    }

    deinit {
        munmap(base, max(count, 1) * MemoryLayout<Element>.stride)
    }

    subscript(index: Int) -> Element {
        @inline(__always) get {
            precondition(index >= 0 && index < count, "index \(index) of \(count)")
            return base[index]
        }
        @inline(__always) nonmutating _modify {
            precondition(index >= 0 && index < count, "index \(index) of \(count)")
            yield &base[index]
        }
    }
}
