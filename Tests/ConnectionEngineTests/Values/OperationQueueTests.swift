// A handler's operations, as its tests see them.

import Testing

@testable import ConnectionEngine

@Suite struct OperationQueueTests {
    private func limits(_ set: (inout Limits) -> Void = { _ in }) -> Limits {
        var limits = Limits()
        limits.connections = 8
        limits.buffers = 4
        limits.completionsPerTurn = 2
        set(&limits)
        return limits
    }

    @Test("operations are kept in order")
    func order() throws {
        var operations = try OperationQueue(limits: limits())
        let target = SocketAddress.loopback(port: 1)
        let connected = operations.connect(to: target)
        let id = try #require(connected)
        let taken = operations.takeBuffer()
        let buffer = try #require(taken)
        operations.arm(id)
        operations.armOnce(id)
        operations.send(id, buffer, byteCount: 16)
        operations.close(id)
        operations.abort(id)
        let seen = (0..<operations.count).map { operations[$0] }
        #expect(
            seen == [
                .connect(id, from: nil, to: target), .arm(id, once: false), .arm(id, once: true),
                .send(id, buffer, byteCount: 16), .close(id), .abort(id),
            ])
        operations.removeAll()
        expect(operations.count, 0)
    }

    @Test("an id names its connection until that ends, and not the one that has its index then")
    func holds() throws {
        var operations = try OperationQueue(limits: limits())
        let connected = operations.connect(to: .loopback(port: 1))
        let first = try #require(connected)
        let isHeld = operations.holds(first)
        operations.table.release(first)
        let isHeldAfterEnd = operations.holds(first)
        let again = operations.connect(to: .loopback(port: 1))
        let second = try #require(again)
        #expect(second.index == first.index)
        #expect(isHeld && !isHeldAfterEnd)
        expect(operations.holds(first), false)
        expect(operations.holds(second), true)
    }

    @Test("a queue that is too small grows, is counted and loses nothing")
    func growth() throws {
        var operations = try OperationQueue(limits: limits())
        for index in 0..<100 {
            operations.arm(ConnectionID(index: UInt32(index), generation: 0))
        }
        expect(operations.count, 100)
        expect(operations.growths > 0, true)
        for index in 0..<100 {
            let id = ConnectionID(index: UInt32(index), generation: 0)
            expect(operations[index], .arm(id, once: false))
        }
    }

    @Test("connect gives nil when the worker is full")
    func full() throws {
        var operations = try OperationQueue(limits: limits { $0.connections = 2 })
        let target = SocketAddress.loopback(port: 1)
        let ids = (0..<3).map { _ in operations.connect(to: target) }
        #expect(ids[0] != nil && ids[1] != nil && ids[2] == nil)
        expect(operations.count, 2)
        expect(operations.connectionIndexLimit, 2)
    }

    @Test("buffers are written, read and given back")
    func buffers() throws {
        var operations = try OperationQueue(limits: limits())
        expect(operations.freeBufferCount, 4)
        let taken = operations.takeBuffer()
        let buffer = try #require(taken)
        expect(operations.freeBufferCount, 3)
        operations.fill(buffer, with: [1, 2, 3])
        expect(operations.copy(of: buffer, byteCount: 3), [1, 2, 3])
        operations.release(buffer)
        expect(operations.freeBufferCount, 4)
        expect(operations.bufferByteCount, 2_048)
    }

    @Test("takeBuffer gives nil when all are in use")
    func noBuffer() throws {
        var operations = try OperationQueue(limits: limits())
        let buffers = (0..<5).map { _ in operations.takeBuffer() }
        #expect(buffers.prefix(4).allSatisfy { $0 != nil } && buffers[4] == nil)
    }

    @Test("stop is remembered")
    func stop() throws {
        var operations = try OperationQueue(limits: limits())
        expect(operations.isStopRequested, false)
        operations.stop()
        expect(operations.isStopRequested, true)
    }

    @Test("a handler can be tested with literals")
    func literals() throws {
        var operations = try OperationQueue(limits: limits())
        var handler = ScriptedHandler(journal: Journal(), reaction: .echo)
        let id = ConnectionID(index: 3, generation: 9)
        let taken = operations.takeBuffer()
        let buffer = try #require(taken)
        handler.handle(CompletionBatch([.accepted(id)]), &operations)
        handler.handle(CompletionBatch([.received(id, buffer, byteCount: 5)]), &operations)
        expect(operations.count, 2)
        expect(operations[0], .arm(id, once: false))
        expect(operations[1], .send(id, buffer, byteCount: 5))
    }
}

/// `#expect` cannot take apart an expression over a queue, which is not copyable.
private func expect<Value: Equatable>(
    _ value: Value, _ expected: Value, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(value == expected, sourceLocation: sourceLocation)
}
