// The seam between the circle and the kernel, and what every backend promises.

/// A kernel interface that carries out operations for one worker.
///
/// What a handler may rely on, on every backend (each number is a contract test):
///
/// 1. Every operation is answered with the same ``ConnectionID``: `connect` by `.connected` or
///    `.closed`, `arm` by `.received` or `.closed` (until `disarm`, which has no answer), `send` by
///    `.sent` or `.closed`, `close` and `abort` by `.closed`.
/// 2. Nothing is reported for a connection after its `.closed`, and `.closed` comes exactly once.
/// 3. A buffer given out by `.received` is owed back exactly once, by `send` or `release`; a buffer
///    that was sent returns to the pool by itself.
/// 4. A slot is used again only when nothing of it is in flight, with a new generation: an
///    operation with an old id does nothing and is counted.
/// 5. A connection that fails is a completion, never a throw.
/// 6. Bytes arrive in the order in which they were sent, whole and once; sends of one connection
///    keep their order, and short sends are continued by the backend.
/// 7. `.received` comes only to an armed connection; `once` brings one and disarms. After a
///    `disarm` comes only what was received before it.
/// 8. Lack of buffers or of queue space delays, but loses nothing.
/// 9. A peer that ends its stream still gets the answers to all it sent: the end takes effect a turn
///    after the last bytes before it, and what was queued until then is sent.
///
/// The thread backend keeps the same promises without this protocol: its circle runs once per
/// connection (see `ThreadBackend.swift`).
protocol Backend: ~Copyable {
    /// Called on the worker's own thread, which alone uses the backend from then on.
    init(_ setup: WorkerSetup) throws(SystemError)

    var counters: Counters { get }
    /// What this kernel lacks, and what is done instead; empty when nothing is missing.
    var fallbacks: [String] { get }

    /// Takes every queued operation and leaves the queue empty.
    mutating func submit(_ operations: inout OperationQueue) throws(SystemError)

    /// Enters the kernel and fills `batch` with what has completed. Returns early, perhaps with an
    /// empty batch, at `deadline` (`nil`: waits without end) or when the worker is woken.
    ///
    /// - Throws: only when the backend itself is unusable.
    mutating func reap(
        into batch: inout CompletionBatch, until deadline: MonotonicTime?) throws(SystemError)
}

/// What a worker hands to its backend. The table and the pool outlive the backend.
struct WorkerSetup: Sendable {
    let limits: Limits
    let idleMode: IdleMode
    let reusesSourcePorts: Bool
    let features: URingFeatures
    /// Listening sockets of this worker, kept open by the engine.
    let listeners: [CInt]
    /// For io_uring: how the table's indices map to rings.
    let layout: URingLayout
    let wake: WakeSignal
    @safe nonisolated(unsafe) let table: ConnectionTable
    @safe nonisolated(unsafe) let pool: BufferPool
}

/// Nanoseconds that a listener rests after a client could not be taken, on every backend.
let acceptPause: UInt64 = 100_000_000
