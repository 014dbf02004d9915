// Drill 24: requests are cancelled while they complete.
//
// Each connection is ended by both sides at moments that have nothing to do with each other, while
// bytes are on their way and a receive is armed: the cancel finds its request waiting, completing
// or gone. Each must be closed once, with nothing after it, and no buffer may be missing.

import ConnectionEngine
import Testing

extension Contract.Drills {
    @Suite("24: a cancel races the completion of its request") struct CancelRaces {
        @Test("each connection is closed once, and no buffer is lost", arguments: Race.all)
        func races(race: Race) throws {
            var configuration = Configuration(backend: race.backend)
            configuration.idleMode = race.idleMode
            configuration.limits.connections = 256
            configuration.limits.buffers = 2_048
            configuration.limits.ringBuffers = 64
            var serving = configuration
            serving.listen = [.loopback(port: 0)]
            let atServer = Locked(DrillReport())
            let atClient = Locked(DrillReport())
            let server = try Engine(serving) { _ in RacingEnd(atServer, seed: 1) }
            let address = server.listeningAddresses[0]
            let client = try Engine(configuration) { _ in
                RacingEnd(atClient, seed: 2, connections: race.connections, to: address)
            }
            defer {
                finish(client)
                finish(server)
            }
            try eventually("\(race.connections) races") { atClient.withLock { $0.isDone } }
            try eventually("the server's part of them") {
                server.wake()
                return atServer.withLock {
                    $0.lifetimes.opened == race.connections && $0.lifetimes.open == 0
                }
            }
            // A ring's group keeps what it was given.
            if race.idleMode == .poll || race.backend != .uring {
                try eventually("all buffers of both sides") {
                    client.wake()
                    server.wake()
                    return [atServer, atClient].allSatisfy {
                        $0.withLock { $0.freeBuffers == 2_048 }
                    }
                }
            }
            for report in [atServer.withLock { $0 }, atClient.withLock { $0 }] {
                #expect(report.lifetimes.violations == [])
                // A connect may be reset by the other end before it is reported.
                #expect(report.lifetimes.ended == race.connections)
                #expect(report.lifetimes.open == 0)
                // Both ways of ending were met.
                #expect((report.lifetimes.closedBy[.requested] ?? 0) > 0)
                #expect(report.lifetimes.closedBy.count > 1)
            }
            #expect(client.counters.completionsDropped == 0)
            #expect(kernelWorkerThreads() == [])
        }
    }

    struct Race: Sendable, CustomTestStringConvertible {
        let backend: BackendKind
        let idleMode: IdleMode

        /// A million in the full form, over all of them.
        var connections: Int { DrillScale.count(short: 3_000, full: 1_000_000 / Self.all.count) }
        var testDescription: String { "\(backend), \(idleMode)" }

        static let all: [Race] = BackendKind.tested.flatMap { backend in
            (backend == .uring ? IdleMode.allCases : [.adaptive]).map {
                Race(backend: backend, idleMode: $0)
            }
        }
    }
}

/// Both sides of a race: sends a few messages on each connection, and ends it at a random moment.
private struct RacingEnd: Handler {
    private let report: Locked<DrillReport>
    private var lifetimes = Lifetimes()
    private var draw: Draw
    private let connections: Int
    private let address: SocketAddress?
    private var source = freshSource()
    private var started = 0
    /// Messages that may still come before the end, by connection.
    private var patience: [UInt64] = []

    init(
        _ report: Locked<DrillReport>, seed: UInt64, connections: Int = 0,
        to address: SocketAddress? = nil
    ) {
        self.report = report
        self.draw = Draw(seed: seed)
        self.connections = connections
        self.address = address
    }

    mutating func start(_ operations: inout OperationQueue) {
        connectMore(&operations)
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        for position in 0..<completions.count {
            let event = completions[position]
            lifetimes.note(event)
            switch event {
            case .accepted(let id), .connected(let id): opened(id, &operations)
            case .received(let id, let buffer, let byteCount):
                received(id, buffer, Int(byteCount), &operations)
            case .sent, .closed: break
            }
        }
        connectMore(&operations)
        report.withLock {
            $0.lifetimes = lifetimes
            $0.freeBuffers = operations.freeBufferCount
            $0.isDone = address != nil && lifetimes.ended == connections
        }
    }

    private mutating func connectMore(_ operations: inout OperationQueue) {
        guard let address else { return }
        while started < connections, started - lifetimes.ended < 64 {
            // Ends in order leave ports in TIME_WAIT.
            if started % 10_000 == 0 { source = freshSource() }
            guard operations.connect(from: source, to: address) != nil else { return }
            started += 1
        }
    }

    private mutating func opened(_ id: ConnectionID, _ operations: inout OperationQueue) {
        while patience.count <= Int(id.index) { patience.append(0) }
        patience[Int(id.index)] = UInt64(draw.number(0...3))
        operations.arm(id)
        say(id, &operations)
        // At once: its receive and its send are in the same batch as their cancel.
        if patience[Int(id.index)] == 0 { end(id, &operations) }
    }

    private mutating func received(
        _ id: ConnectionID, _ buffer: Buffer, _ byteCount: Int, _ operations: inout OperationQueue
    ) {
        patience[Int(id.index)] = patience[Int(id.index)] &- 1
        if patience[Int(id.index)] == 0 || patience[Int(id.index)] > 4 {
            operations.release(buffer)
            end(id, &operations)
        } else {
            operations.send(id, buffer, byteCount: byteCount)
            say(id, &operations)
        }
    }

    private func say(_ id: ConnectionID, _ operations: inout OperationQueue) {
        guard let buffer = operations.takeBuffer() else { return }
        operations.send(id, buffer, byteCount: 16)
    }

    private mutating func end(_ id: ConnectionID, _ operations: inout OperationQueue) {
        if draw.number(0...7) == 0 { operations.close(id) } else { operations.abort(id) }
    }
}
