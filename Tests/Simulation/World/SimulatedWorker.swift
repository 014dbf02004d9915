// A worker of the engine, turned by hand, with a look at everything it owns.

import CLiburing

enum BufferOwner {
    case pool, handler, operation, group, completion
    case send(UInt32)
    case receive(UInt32)
}

/// One process of the simulation: a worker with its backend, behind one face for all backends.
class AnyWorker {
    let process: Int
    let setup: WorkerSetup
    private(set) var failure: SystemError?

    init(process: Int, setup: WorkerSetup) {
        self.process = process
        self.setup = setup
    }

    /// Gives what is true after each turn.
    struct State {
        var liveCount: Int
        var openCount: Int
        var isDone: Bool
        var counters: Counters
    }

    func start() throws(SystemError) {}
    func turn() throws(SystemError) {}
    /// Its connections and requests, for whoever replays a failure.
    var situation: String { "" }
    /// The handler has asked for something since the last `submit`.
    var hasOperations: Bool { false }
    var nextDue: MonotonicTime? { nil }
    var state: State { fatalError() }
    /// Names every buffer that somebody owns, with its owner.
    func forEachOwner(_ body: (UInt16, BufferOwner) -> Void) {}
    /// Ends the backend; the table and the pool with it.
    func end() {}
}

/// What the simulation asks a backend beside the seam.
protocol SimulatedBackend: Backend, ~Copyable {
    /// For each ring, up to where its group of buffers is filled, published or not.
    var groupTails: [UInt16?] { get }
}

extension URingBackend: SimulatedBackend {
    var groupTails: [UInt16?] { (0..<ringCount).map { rings[$0].buffers?.tail } }
}

extension EpollBackend: SimulatedBackend {
    var groupTails: [UInt16?] { [] }
}

final class SimulatedWorker<B: SimulatedBackend & ~Copyable>: AnyWorker {
    /// Holds the worker between `start` and `end`.
    private let worker = UnsafeMutablePointer<Worker<B, SimulatedPeer>>.allocate(capacity: 1)
    private var isMade = false
    private let makePeer: () -> SimulatedPeer

    init(
        process: Int, setup: WorkerSetup, makePeer: @escaping () -> SimulatedPeer
    ) {
        self.makePeer = makePeer
        super.init(process: process, setup: setup)
    }

    override func start() throws(SystemError) {
        worker.initialize(to: try Worker(setup, status: WorkerStatus(), handler: makePeer()))
        isMade = true
        worker.pointee.start()
    }

    deinit {
        worker.deallocate()
    }

    override func turn() throws(SystemError) {
        try worker.pointee.turn()
    }

    override var hasOperations: Bool { worker.pointee.operations.count > 0 }

    override var nextDue: MonotonicTime? { worker.pointee.handler.nextDue }

    override var state: State {
        State(
            liveCount: worker.pointee.handler.liveCount, openCount: Int(setup.table.openCount),
            isDone: worker.pointee.handler.isDone, counters: worker.pointee.backend.counters)
    }

    override var situation: String {
        var text = "process \(process): \(setup.pool.freeCount) buffers free"
        for link in worker.pointee.handler.links where link.phase != .none {
            text +=
                "; link \(link.id.index) \(link.phase), sent \(link.sent), received"
                + " \(link.received), unanswered \(link.unanswered), armed \(link.isArmed)"
        }
        setup.table.forEachOpen { id, slot in
            text +=
                "; slot \(id.index) \(slot.pointee.state), flags \(slot.pointee.flags.rawValue),"
                + " in flight \(slot.pointee.inFlight)"
        }
        for ring in SimulatedKernel.current.rings where ring.process == process {
            let requests = ring.requests.map {
                "\($0.kind) \($0.state) \(UserData(rawValue: $0.userData).id.index)"
            }
            text += "; ring: \(requests.joined(separator: ", "))"
        }
        return text
    }

    override func end() {
        if isMade { worker.deinitialize(count: 1) }
        isMade = false
        setup.table.deallocate()
        setup.pool.deallocate()
    }

    override func forEachOwner(_ body: (UInt16, BufferOwner) -> Void) {
        let pool = setup.pool
        for place in 0..<Int(pool.freeCount) { body(pool.free[place], .pool) }
        if worker.pointee.handler.heldCount > 0 {
            for link in worker.pointee.handler.links where !link.held.isEmpty {
                for held in link.held { body(held.buffer.index, .handler) }
            }
        }
        for position in 0..<worker.pointee.operations.count {
            if case .send(_, let buffer, _) = worker.pointee.operations[position] {
                body(buffer.index, .operation)
            }
        }
        setup.table.forEachOpen { id, slot in
            var next = slot.pointee.sendHead
            while next != .none {
                body(next.index, .send(id.index))
                next = pool.pending[Int(next.index)].next
            }
            if slot.pointee.receiveBuffer != .none {
                body(slot.pointee.receiveBuffer.index, .receive(id.index))
            }
        }
        let rings = SimulatedKernel.current.rings.filter { $0.process == process }
        for (ring, tail) in zip(rings, worker.pointee.backend.groupTails) {
            for index in ring.heldBuffers(upTo: tail) { body(index, .group) }
            for index in ring.unreadBuffers { body(index, .completion) }
        }
    }
}
