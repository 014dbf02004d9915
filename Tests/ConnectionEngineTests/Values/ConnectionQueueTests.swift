// Waiting connections, first in, first out.

import Testing

@testable import ConnectionEngine

@Suite struct ConnectionQueueTests {
    private func id(_ index: Int) -> ConnectionID {
        ConnectionID(index: UInt32(index), generation: 0)
    }

    @Test("who came first leaves first")
    func order() {
        var queue = ConnectionQueue()
        let nothing = queue.popFirst()
        #expect(queue.isEmpty && queue.first == nil && nothing == nil)
        for index in 0..<10 { queue.append(id(index)) }
        #expect(queue.count == 10)
        #expect(queue.first == id(0))
        let all = (0..<10).map { _ in queue.popFirst() }
        #expect(all == (0..<10).map(id))
        #expect(queue.isEmpty)
    }

    @Test("it grows in the middle of its ring without losing its order")
    func growth() {
        var queue = ConnectionQueue(expected: 64)
        for index in 0..<50 { queue.append(id(index)) }
        let front = (0..<40).map { _ in queue.popFirst() }
        #expect(front == (0..<40).map(id))
        for index in 50..<500 { queue.append(id(index)) }
        #expect(queue.count == 460)
        let rest = (40..<500).map { _ in queue.popFirst() }
        #expect(rest == (40..<500).map(id))
        #expect(queue.isEmpty)
    }

    @Test("a queue that never empties goes on")
    func endless() {
        var queue = ConnectionQueue(expected: 64)
        queue.append(id(0))
        for index in 1..<10_000 {
            queue.append(id(index))
            let popped = queue.popFirst()
            #expect(popped == id(index - 1))
        }
        #expect(queue.count == 1)
    }
}
