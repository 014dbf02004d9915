// A worker with a look at everything that it owns.

import CLiburing

enum BufferOwner {
    case pool, handler, operation, group, completion
    case send(UInt32)
    case receive(UInt32)
}

/// What the simulation looks at after each turn.
protocol ObservedProcess: TurnedProcess {
    var setup: WorkerSetup { get }
    /// Connections that the handler knows.
    var liveCount: Int { get }
    var isDone: Bool { get }
    /// Its connections and requests, for whoever replays a failure.
    var situation: String { get }
    /// Names every buffer that somebody owns, with its owner.
    func forEachOwner(_ body: (UInt16, BufferOwner) -> Void)
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

final class SimulatedWorker<B: SimulatedBackend & ~Copyable>: TurnedWorker<B, SimulatedPeer>,
    ObservedProcess
{
    var liveCount: Int { worker.pointee.handler.liveCount }
    var isDone: Bool { worker.pointee.handler.isDone }

    var situation: String {
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

    func forEachOwner(_ body: (UInt16, BufferOwner) -> Void) {
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
