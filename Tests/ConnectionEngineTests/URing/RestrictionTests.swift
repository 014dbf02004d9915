// A ring takes the operations that the engine uses, and no others.

import CLiburing
import Glibc
import Testing

@testable import ConnectionEngine

extension Contract {
    @Suite struct Restrictions {
        @Test(
            "every ring refuses operations that the engine does not use (EACCES)", .needsURing,
            arguments: [[], .deferTaskRun, .bind, .directDescriptors] as [URingFeatures])
        func operations(masked: URingFeatures) throws {
            let worker = try RestrictedWorker(masked: masked)
            defer { worker.end() }
            try worker.withBackend { backend in
                #expect(backend.features.contains(.restrictions))
                #expect(backend.ringCount == (masked == .directDescriptors ? 1 : 3))
                for ring in 0..<backend.ringCount {
                    let allowed = URingAllowance(worker.setup, backend.features, isHub: ring == 0)
                        .operations
                    #expect(allowed.contains(operationRead) == (ring == 0))
                    for operation in 0..<operationsOfOldestKernel {
                        let result = try answer(of: &backend.rings[ring], to: operation)
                        #expect(
                            (result == -EACCES) == !allowed.contains(operation),
                            "ring \(ring), operation \(operation): \(result)")
                        #expect(result < 0)
                    }
                }
            }
        }

        @Test("a ring opens no file, not even one that exists", .needsURing)
        func openFile() throws {
            let worker = try RestrictedWorker(masked: [])
            defer { worker.end() }
            try worker.withBackend { backend in
                for ring in 0..<backend.ringCount {
                    let result = "/dev/null".withCString { path in
                        let entry = backend.rings[ring].nextEntry()
                        io_uring_prep_openat(entry, AT_FDCWD, path, O_RDONLY, 0)
                        return takeAnswer(&backend.rings[ring])
                    }
                    #expect(result == -EACCES)
                }
            }
        }

        @Test("an entry that is linked, drained or forced to a thread is refused", .needsURing)
        func entryFlags() throws {
            let worker = try RestrictedWorker(masked: [])
            defer { worker.end() }
            try worker.withBackend { backend in
                for ring in 0..<backend.ringCount {
                    // IOSQE_IO_DRAIN, IO_LINK, IO_HARDLINK, ASYNC.
                    for flag: UInt8 in [1 << 1, 1 << 2, 1 << 3, 1 << 4] {
                        let result = try answer(
                            of: &backend.rings[ring], to: operationSend, flags: flag)
                        #expect(result == -EACCES, "flag \(flag)")
                    }
                    let plain = try answer(of: &backend.rings[ring], to: operationSend)
                    #expect(plain == -EBADF)
                }
            }
        }

        @Test("a ring that runs registers nothing but what it needs later", .needsURing)
        func registrations() throws {
            let worker = try RestrictedWorker(masked: [])
            defer { worker.end() }
            try worker.withBackend { backend in
                for ring in 0..<backend.ringCount {
                    let everything = URingAllowance(worker.setup, backend.features, isHub: true)
                    // Rings cannot be copied, and the macro copies what it calls.
                    let codes = [
                        errno { try backend.rings[ring].registerEventFD(0) },
                        errno { try backend.rings[ring].registerDirectTable(count: 8) },
                        errno { try backend.rings[ring].enable() },
                        -backend.rings[ring].installDirect(0, slot: 0),
                        -backend.rings[ring].restrict(to: everything),
                    ]
                    #expect(codes == [EACCES, EACCES, EACCES, EACCES, EACCES])
                    let answersProbe = backend.rings[ring].supports(operationSend)
                    #expect(!answersProbe)
                    let group = errno { try backend.rings[ring].registerBuffers(count: 8) }
                    #expect(group == nil)
                }
            }
        }

        @Test("without IORING_OP_BIND sockets may still be put into a running ring", .needsURing)
        func installSockets() throws {
            let worker = try RestrictedWorker(masked: .bind)
            defer { worker.end() }
            try worker.withBackend { backend in
                for ring in 0..<backend.ringCount {
                    let installed = backend.rings[ring].installDirect(worker.listener, slot: 15)
                    #expect(installed == 1)
                }
            }
        }

        @Test("a restricted ring that ends leaves its place in the thread's table", .needsURing)
        func threadTable() throws {
            let worker = try RestrictedWorker(masked: [])
            defer { worker.end() }
            for _ in 0..<20 {
                try worker.withBackend { backend in
                    for ring in 0..<backend.ringCount {
                        let isInTable = backend.rings[ring].isInThreadTable
                        #expect(isInTable)
                    }
                }
            }
        }

        /// In a process of its own, which refuses the registration.
        @Test("a kernel that refuses restrictions is named, and all the rest works", .needsURing)
        func refused() async {
            await #expect(processExitsWith: .success) {
                refuse(.ringRestrictions, with: EINVAL)
                let server = try TestEngine(.uring, .echo, listens: true) {
                    $0.limits.ringSlots = 16
                }
                let client = try TestEngine(.uring, .armAndCollect) { $0.limits.ringSlots = 16 }
                require(
                    client.engine.fallbacks == ["restrictions: refused with EINVAL"],
                    "\(client.engine.fallbacks)")
                for _ in 0..<20 {
                    let id = try client.connected(to: server.address)
                    try client.send(id, [7])
                    let bytes = try client.received(id, count: 1)
                    require(bytes == [7], "\(bytes)")
                }
                let counters = client.end()
                require(counters.rings == 2, "\(counters)")
                server.end()
            }
        }

        @Test("a later ring that cannot be restricted is not used", .needsURing)
        func refusedLater() async {
            await #expect(processExitsWith: .success) {
                let server = try TestEngine(.epoll, .echo, listens: true)
                let client = try TestEngine(.uring, .armAndCollect) { $0.limits.ringSlots = 16 }
                for _ in 0..<16 { _ = try client.connected(to: server.address) }
                refuse(.ringRestrictions, with: ENOMEM)
                let extra = try client.connect(to: server.address)
                let reason = try client.closeReason(extra)
                require(reason == .failed(Errno(ENOMEM)), "\(reason)")
                let counters = client.end()
                require(counters.rings == 1 && counters.ringFailures == 1, "\(counters)")
                server.end()
            }
        }
    }
}

/// Operations that Linux 6.1 knows: a newer number would be answered by EINVAL there.
private let operationsOfOldestKernel: UInt8 = 48
private let operationRead = UInt8(IORING_OP_READ.rawValue)
private let operationSend = UInt8(IORING_OP_SEND.rawValue)

/// What a worker would be given, for a backend that the test itself enters.
private struct RestrictedWorker {
    let setup: WorkerSetup
    let listener: CInt

    init(masked: URingFeatures) throws {
        var configuration = Configuration(backend: .uring)
        configuration.maskedFeatures = masked
        configuration.limits.ringSlots = 16
        configuration.limits.connections = 64
        configuration.limits.submissionEntries = 8
        configuration.limits.completionEntries = 64
        let layout = configuration.layout(listeners: 1, descriptorLimit: 20_000)
        listener = try Socket.listening(
            on: .loopback(port: 0), backlog: 8, sharesPort: false, nonBlocking: false
        ).release()
        setup = WorkerSetup(
            limits: configuration.limits, idleMode: .adaptive, reusesSourcePorts: true,
            features: URingFeatures.all.subtracting(masked), listeners: [listener],
            layout: layout, wake: try WakeSignal(),
            table: try ConnectionTable(
                capacity: layout.indexLimit, kernelNamed: layout.kernelNamed, keptForAccepting: 0),
            pool: try BufferPool(count: 64, byteCount: 64))
    }

    /// A backend with three rings where there can be more than one; gone afterwards.
    func withBackend(_ body: (inout URingBackend) throws -> Void) throws {
        var backend = try URingBackend(setup)
        if setup.layout.isDirect {
            #expect(backend.addRing() == 0)
            #expect(backend.addRing() == 0)
        }
        try body(&backend)
    }

    func end() {
        setup.table.deallocate()
        setup.pool.deallocate()
        close(listener)
    }
}

/// Submits an operation on no descriptor, which nothing could do, and hands back its result.
private func answer(
    of ring: inout URing, to operation: UInt8, flags: UInt8 = 0
) throws -> Int32 {
    let entry = ring.nextEntry()
    entry.initialize(to: io_uring_sqe())
    entry.pointee.opcode = operation
    entry.pointee.flags = flags
    entry.pointee.fd = -1
    return takeAnswer(&ring)
}

private func takeAnswer(_ ring: inout URing) -> Int32 {
    let taken = ring.enter(
        minComplete: 1, timeout: Int64(patience), minWait: 0, submitsOnly: false)
    guard taken == 1, ring.ready == 1 else {
        Issue.record("enter: \(taken), \(ring.ready) completions")
        return 0
    }
    let result = ring.completion(at: 0).result
    ring.advance(1)
    return result
}

private func errno(_ body: () throws -> Void) -> CInt? {
    do {
        try body()
        return nil
    } catch {
        return (error as? SystemError)?.errno.code
    }
}
