// Slots, their generations and their free list.

import Testing

@testable import ConnectionEngine

@Suite struct ConnectionTableTests {
    @Test("slots are handed out in order, each with generation 0")
    func order() throws {
        let table = try ConnectionTable(capacity: 3)
        defer { table.deallocate() }
        let ids = (0..<3).map { _ in table.take(.open) }
        #expect(ids == (0..<3).map { ConnectionID(index: $0, generation: 0) })
        #expect(table.take(.open) == nil)
        #expect(table.openCount == 3)
    }

    @Test("a released slot comes again with the next generation")
    func reuse() throws {
        let table = try ConnectionTable(capacity: 2)
        defer { table.deallocate() }
        let first = try #require(table.take(.opening))
        table.release(first)
        #expect(table.slot(first) == nil)
        let second = try #require(table.take(.opening))
        #expect(second == ConnectionID(index: first.index, generation: 1))
        #expect(table.slot(first) == nil)
        #expect(table.slot(second) != nil)
        #expect(table.openCount == 1)
    }

    @Test("the generation wraps at 24 bits")
    func wrap() throws {
        let table = try ConnectionTable(capacity: 1)
        defer { table.deallocate() }
        table.slots[0].generation = 0xff_ffff
        let last = try #require(table.take(.open))
        #expect(last.generation == 0xff_ffff)
        table.release(last)
        #expect(table.take(.open)?.generation == 0)
    }

    @Test("a claimed slot is the kernel's choice and not in the free list")
    func claim() throws {
        let table = try ConnectionTable(capacity: 10, kernelNamed: 8)
        defer { table.deallocate() }
        let accepted = table.claim(5, .open)
        #expect(accepted == ConnectionID(index: 5, generation: 0))
        #expect(table.take(.opening)?.index == 8)
        table.release(accepted)
        #expect(table.take(.opening)?.index == 9)
        #expect(table.take(.opening) == nil)
        #expect(table.claim(5, .open).generation == 1)
    }

    @Test("a spare slot is taken after the other ones that were used, and before new ones")
    func spare() throws {
        let table = try ConnectionTable(capacity: 4)
        defer { table.deallocate() }
        let ids = try (0..<3).map { _ in try #require(table.take(.opening)) }
        table.release(ids[1])
        table.release(ids[2], isSpare: true)
        #expect(table.take(.opening)?.index == 1)
        #expect(table.take(.opening)?.index == 2)
        #expect(table.take(.opening)?.index == 3)
        #expect(table.take(.opening) == nil)
    }

    @Test("a connect leaves the slots that are kept for accepting")
    func kept() throws {
        let table = try ConnectionTable(capacity: 3, keptForAccepting: 1)
        defer { table.deallocate() }
        #expect(table.take(.opening) != nil)
        #expect(table.take(.opening) != nil)
        #expect(table.take(.opening) == nil)
        #expect(table.take(.open) != nil)
    }

    @Test("an index beyond the table is stale")
    func beyond() throws {
        let table = try ConnectionTable(capacity: 2)
        defer { table.deallocate() }
        #expect(table.slot(ConnectionID(index: 2, generation: 0)) == nil)
        #expect(table.slot(ConnectionID(index: .max, generation: 0)) == nil)
        #expect(table.slot(ConnectionID(index: 0, generation: 0)) == nil)
    }

    @Test("forEachOpen visits what is open, kernel-named or ours")
    func visit() throws {
        let table = try ConnectionTable(capacity: 12, kernelNamed: 8)
        defer { table.deallocate() }
        var expected: Set = [table.claim(2, .open), table.claim(7, .open)]
        let gone = try #require(table.take(.opening))
        expected.insert(try #require(table.take(.opening)))
        table.release(gone)
        var seen: Set<ConnectionID> = []
        table.forEachOpen { id, _ in seen.insert(id) }
        #expect(seen == expected)
    }

    @Test("a taken slot begins clean, whatever was in it")
    func clean() throws {
        let table = try ConnectionTable(capacity: 1)
        defer { table.deallocate() }
        let first = try #require(table.take(.open, fd: 7))
        let slot = try #require(table.slot(first))
        slot.pointee.flags = [.armed, .hot, .ended]
        slot.pointee.closeCode = 104
        table.release(first)
        let second = try #require(table.take(.opening))
        let again = try #require(table.slot(second))
        #expect(again.pointee.flags == [])
        #expect(again.pointee.closeCode == 0)
        #expect(again.pointee.fd == -1)
        #expect(again.pointee.sendHead == .none)
        #expect(again.pointee.state == .opening)
    }

    @Test("a slot has 28 bytes")
    func size() {
        #expect(MemoryLayout<ConnectionTable.Slot>.stride == 28)
    }
}
