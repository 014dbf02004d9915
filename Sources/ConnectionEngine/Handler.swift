// The embedder's part of the circle: completions in, operations out.

/// A state machine for all connections of one worker.
///
/// It makes no system call and knows no descriptor; therefore it runs unchanged on every backend
/// and can be tested with literals (``CompletionBatch/init(_:at:)``,
/// ``OperationQueue/init(limits:)``).
///
/// Called by one thread at a time: its worker's. On the thread backend several threads take turns
/// under the worker's lock, so it must not keep thread-local state; and a call there brings one or
/// two completions instead of a batch.
public protocol Handler: ~Copyable, SendableMetatype {
    /// Called once, before the first turn.
    mutating func start(_ operations: inout OperationQueue)

    /// Called once per turn: when completions were reaped, when ``nextDue`` has come, or after
    /// ``Engine/wake()``; in the last two cases the batch may be empty.
    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue)

    /// When the handler wants a turn even if nothing completes; `nil`: only then.
    var nextDue: MonotonicTime? { get }
}

extension Handler where Self: ~Copyable {
    public mutating func start(_ operations: inout OperationQueue) {}
    public var nextDue: MonotonicTime? { nil }
}
