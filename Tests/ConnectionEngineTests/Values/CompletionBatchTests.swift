// The completions of one turn.

import Testing

@testable import ConnectionEngine

@Suite struct CompletionBatchTests {
    private let id = ConnectionID(index: 1, generation: 2)

    @Test("a batch of literals keeps its order and its time")
    func literals() {
        let time = MonotonicTime(nanoseconds: 25)
        let batch = CompletionBatch([.connected(id), .closed(id, .endOfStream)], at: time)
        expect(batch.count, 2)
        expect(batch[0], .connected(id))
        expect(batch[1], .closed(id, .endOfStream))
        expect(batch.reapedAt, time)
    }

    @Test("an empty batch is a turn too")
    func empty() {
        let batch = CompletionBatch([])
        expect(batch.count, 0)
        expect(batch.reapedAt, .zero)
    }

    @Test("room shrinks with each completion and comes back")
    func room() {
        var batch = CompletionBatch(capacity: 2)
        expect(batch.room, 2)
        batch.append(.sent(id))
        batch.append(.sent(id))
        expect(batch.room, 0)
        batch.removeAll()
        expect(batch.room, 2)
        expect(batch.count, 0)
    }

    @Test("a backend that overfills its batch stops the process")
    func overfull() async {
        await #expect(processExitsWith: .failure) {
            var batch = CompletionBatch(capacity: 1)
            batch.append(.sent(ConnectionID(index: 0, generation: 0)))
            batch.append(.sent(ConnectionID(index: 0, generation: 0)))
        }
    }
}

/// `#expect` cannot take apart an expression over a batch, which is not copyable.
private func expect<Value: Equatable>(
    _ value: Value, _ expected: Value, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(value == expected, sourceLocation: sourceLocation)
}
