// Buffers, their places and their free list.

import Testing

@testable import ConnectionEngine

@Suite struct BufferPoolTests {
    @Test("each buffer is given out once, until none is left")
    func takeAll() throws {
        let pool = try BufferPool(count: 5, byteCount: 100)
        defer { pool.deallocate() }
        let buffers = (0..<5).compactMap { _ in pool.take() }
        #expect(Set(buffers).count == 5)
        #expect(pool.take() == nil)
        #expect(pool.freeCount == 0)
        for buffer in buffers { pool.putBack(buffer) }
        #expect(pool.freeCount == 5)
    }

    @Test("the buffer returned last is given out next")
    func stack() throws {
        let pool = try BufferPool(count: 4, byteCount: 16)
        defer { pool.deallocate() }
        let first = try #require(pool.take())
        let second = try #require(pool.take())
        pool.putBack(first)
        pool.putBack(second)
        #expect(pool.take() == second)
        #expect(pool.take() == first)
    }

    @Test("a buffer that waits in a ring is nobody's to give back; one that came from it is")
    func inUse() throws {
        let pool = try BufferPool(count: 4, byteCount: 16)
        defer { pool.deallocate() }
        let buffer = try #require(pool.take())
        #expect(pool.inUseCount == 1)
        pool.noteProvided()
        #expect(pool.inUseCount == 0 && pool.freeCount == 3)
        pool.noteGivenOut()
        #expect(pool.inUseCount == 1)
        pool.putBack(buffer)
        #expect(pool.inUseCount == 0 && pool.freeCount == 4)
    }

    @Test("buffers do not overlap", arguments: [16, 63, 64, 65, 2_048, 4_000] as [UInt32])
    func places(byteCount: UInt32) throws {
        let pool = try BufferPool(count: 8, byteCount: byteCount)
        defer { pool.deallocate() }
        let starts = (0..<8).compactMap { _ in pool.take() }
            .map { UInt(bitPattern: pool.address(of: $0)) }.sorted()
        for (left, right) in zip(starts, starts.dropFirst()) {
            #expect(right - left >= UInt(byteCount))
        }
        #expect(starts.allSatisfy { $0 % 64 == 0 })
    }

    @Test("returning a buffer too many is a bug that stops the process")
    func twice() async {
        await #expect(processExitsWith: .failure) {
            let pool = try BufferPool(count: 2, byteCount: 16)
            let buffer = pool.take()!
            pool.putBack(buffer)
            pool.putBack(buffer)
        }
    }
}
