// The circle: submit, reap, handle, until told to stop.

import Glibc
import Synchronization

/// One thread, one backend, one handler (io_uring and epoll).
struct Worker<B: Backend & ~Copyable, H: Handler & ~Copyable>: ~Copyable {
    private(set) var backend: B
    private(set) var handler: H
    private(set) var operations: OperationQueue
    private var completions: CompletionBatch
    private var turns: UInt64 = 0
    private let status: WorkerStatus
    private let setup: WorkerSetup
    private let thread = pthread_self()

    /// Called on the thread that will run it (a ring has a single issuer).
    init(_ setup: WorkerSetup, status: WorkerStatus, handler: consuming H) throws(SystemError) {
        self.backend = try B(setup)
        self.handler = handler
        self.completions = CompletionBatch(capacity: Int(setup.limits.completionsPerTurn))
        self.operations = OperationQueue(
            capacity: 4 * Int(setup.limits.completionsPerTurn), table: setup.table,
            pool: setup.pool)
        self.status = status
        self.setup = setup
        // Before the engine's own init returns: what is missing is known from then on.
        status.publish(backend.counters, fallbacks: backend.fallbacks)
    }

    /// Runs the circle until `stop` is set or the handler stops its worker.
    ///
    /// - Precondition: called on the thread that made the worker.
    /// - Throws: only when the backend is unusable. A connection that fails is a completion.
    mutating func run(until stop: StopFlag) throws(SystemError) {
        precondition(
            pthread_equal(thread, pthread_self()) != 0, "a worker runs on the thread that made it")
        start()
        var published = MonotonicTime.now
        while !stop.isSet && !operations.isStopRequested {
            try turn()
            if completions.reapedAt.nanoseconds(since: published) > WorkerStatus.interval {
                published = completions.reapedAt
                publish()
            }
        }
        publish()
    }

    @inline(__always)
    mutating func start() {
        handler.start(&operations)
    }

    /// Once round the circle.
    @inline(__always)
    mutating func turn() throws(SystemError) {
        try backend.submit(&operations)
        try backend.reap(into: &completions, until: handler.nextDue)
        completions.reapedAt = .now
        handler.handle(completions, &operations)
        turns += 1
    }

    private func publish() {
        var counters = backend.counters
        counters.turns = turns
        counters.queueGrowths = operations.growths
        status.publish(counters, fallbacks: nil)
    }
}

/// What other threads may see of a worker.
final class WorkerStatus: Sendable {
    /// Nanoseconds between two publications of the counters.
    static let interval: UInt64 = 10_000_000

    private struct State {
        var counters = Counters()
        var fallbacks: [String] = []
        var failure: SystemError?
    }

    private let state = Mutex(State())

    /// Called by the worker, about a hundred times a second.
    func publish(_ counters: Counters, fallbacks: [String]?) {
        state.withLock {
            $0.counters = counters
            if let fallbacks { $0.fallbacks = fallbacks }
        }
    }

    func fail(_ error: SystemError) {
        state.withLock { $0.failure = error }
    }

    var counters: Counters { state.withLock { $0.counters } }
    var fallbacks: [String] { state.withLock { $0.fallbacks } }
    var failure: SystemError? { state.withLock { $0.failure } }
}
