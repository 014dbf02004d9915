// A handler's turn without a kernel: the same batch of completions, again and again.

import ConnectionEngine

/// Owns what cannot be copied; a benchmark's closure needs a reference.
final class DispatchJob {
    private let batch: CompletionBatch
    private var operations: OperationQueue
    private var handler = Echo()

    init(completions: Int) throws {
        operations = try OperationQueue()
        var received: [Completion] = []
        for _ in 0..<completions {
            guard let buffer = operations.takeBuffer(),
                let id = operations.connect(to: .loopback(port: 1))
            else { preconditionFailure("\(completions) are more than the limits allow") }
            received.append(.received(id, buffer, byteCount: 64))
        }
        operations.removeAll()
        batch = CompletionBatch(received)
    }

    func turn() {
        handler.handle(batch, &operations)
        precondition(operations.count == batch.count)
        operations.removeAll()
    }
}
