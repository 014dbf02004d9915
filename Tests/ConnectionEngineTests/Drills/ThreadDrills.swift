// Drill 26: a worker belongs to the thread that made it.

import Glibc
import Testing

@testable import ConnectionEngine

extension Contract.Drills {
    @Suite("26: work on a foreign thread") struct ForeignThreads {
        @Test("a ring's worker that is run by another thread stops the process", .needsURing)
        func ring() async {
            await #expect(processExitsWith: .failure) {
                try runElsewhere(Worker<URingBackend, IdleHandler>.self) {
                    try Worker($0, status: WorkerStatus(), handler: IdleHandler())
                }
            }
        }

        @Test("so does an epoll's")
        func epoll() async {
            await #expect(processExitsWith: .failure) {
                try runElsewhere(Worker<EpollBackend, IdleHandler>.self) {
                    try Worker($0, status: WorkerStatus(), handler: IdleHandler())
                }
            }
        }

        @Test("run by its own thread it ends as it is told to", .needsURing)
        func ownThread() throws {
            let flag = StopFlag()
            flag.set()
            let ringSetup = try emptySetup(.uring)
            do {
                var ring = try Worker<URingBackend, IdleHandler>(
                    ringSetup, status: WorkerStatus(), handler: IdleHandler())
                try ring.run(until: flag)
            }
            let epollSetup = try emptySetup(.epoll)
            do {
                var epoll = try Worker<EpollBackend, IdleHandler>(
                    epollSetup, status: WorkerStatus(), handler: IdleHandler())
                try epoll.run(until: flag)
            }
            for setup in [ringSetup, epollSetup] {
                setup.table.deallocate()
                setup.pool.deallocate()
            }
        }
    }
}

private final class WorkerBox<B: Backend & ~Copyable>: @unchecked Sendable {
    var worker: Worker<B, IdleHandler>

    init(_ worker: consuming Worker<B, IdleHandler>) {
        self.worker = worker
    }
}

/// Makes a worker here, and runs it to its end on another thread.
private func runElsewhere<B: Backend & ~Copyable & SendableMetatype>(
    _ type: Worker<B, IdleHandler>.Type, _ make: (WorkerSetup) throws -> Worker<B, IdleHandler>
) throws {
    let box = WorkerBox(try make(emptySetup(.uring)))
    let flag = StopFlag()
    flag.set()
    let ended = Answer<Bool>()
    onThread {
        try? box.worker.run(until: flag)
        ended.set(true)
    }
    _ = try eventually("the worker's end") { ended.value }
    // Not stopped: the expected failure must not come from here.
    exit(0)
}

private func emptySetup(_ backend: BackendKind) throws -> WorkerSetup {
    let limits = Limits()
    let configuration = Configuration(backend: backend)
    let layout = configuration.layout(listeners: 0, descriptorLimit: 1_024)
    return WorkerSetup(
        limits: limits, idleMode: .poll, reusesSourcePorts: true, features: .all, listeners: [],
        layout: layout, wake: try WakeSignal(),
        table: try ConnectionTable(
            capacity: layout.indexLimit, kernelNamed: layout.kernelNamed, keptForAccepting: 0),
        pool: try BufferPool(count: limits.buffers, byteCount: limits.bufferByteCount))
}
