// A worker of the engine, turned by hand: one process of a simulation.

/// The same face for every backend and handler.
protocol TurnedProcess: AnyObject {
    var process: Int { get }
    var counters: Counters { get }
    /// The handler has asked for something since the last `submit`.
    var hasOperations: Bool { get }
    var nextDue: MonotonicTime? { get }

    func start() throws(SystemError)
    func turn() throws(SystemError)
    /// Ends the backend; the table and the pool with it.
    func end()
}

class TurnedWorker<B: Backend & ~Copyable, H: Handler & ~Copyable>: TurnedProcess {
    let process: Int
    let setup: WorkerSetup
    private let makeHandler: () -> H
    /// Holds the worker between `start` and `end`.
    let worker = UnsafeMutablePointer<Worker<B, H>>.allocate(capacity: 1)
    private var isMade = false

    init(process: Int, setup: WorkerSetup, makeHandler: @escaping () -> H) {
        self.process = process
        self.setup = setup
        self.makeHandler = makeHandler
    }

    deinit {
        worker.deallocate()
    }

    func start() throws(SystemError) {
        worker.initialize(to: try Worker(setup, status: WorkerStatus(), handler: makeHandler()))
        isMade = true
        worker.pointee.start()
    }

    func turn() throws(SystemError) {
        try worker.pointee.turn()
    }

    func end() {
        if isMade { worker.deinitialize(count: 1) }
        isMade = false
        setup.table.deallocate()
        setup.pool.deallocate()
    }

    var counters: Counters { worker.pointee.backend.counters }
    var hasOperations: Bool { worker.pointee.operations.count > 0 }
    var nextDue: MonotonicTime? { worker.pointee.handler.nextDue }
}
