// Drill 25: a few slots and descriptors are used again and again, with stale ids at every turn.

import ConnectionEngine
import Testing

extension Contract.Drills {
    @Suite("25: the same few slots and descriptors, again and again") struct Reuse {
        private static let slots = 16

        @Test(
            "what is stale reaches nobody, and is counted to the last one",
            arguments: BackendKind.tested)
        func hammer(backend: BackendKind) throws {
            let connections = DrillScale.count(
                short: 3_000, full: 1_000_000 / BackendKind.tested.count)
            var configuration = Configuration(backend: backend)
            configuration.limits.connections = UInt32(Self.slots)
            configuration.limits.buffers = 64
            configuration.idleMode = .poll
            var serving = configuration
            // A client may be closed here before the server has heard of it.
            serving.limits.connections = 128
            serving.listen = [.loopback(port: 0)]
            let server = try Engine(serving) { _ in PlainEcho() }
            let address = server.listeningAddresses[0]
            let report = Locked(DrillReport())
            let client = try Engine(configuration) { _ in
                Hammer(report, connections: connections, to: address)
            }
            defer { finish(server) }
            try eventually("\(connections) connections") { report.withLock { $0.isDone } }
            let told = report.withLock { $0 }
            #expect(told.failures == [])
            #expect(told.lifetimes.violations == [])
            #expect(told.lifetimes.opened == connections)
            #expect(told.lifetimes.closedBy == [.requested: connections])
            #expect(told.freeBuffers == 64)
            try eventually("the server's ends") {
                server.wake()
                let counters = server.counters
                return counters.closed == counters.accepted
            }
            finish(client)
            // Every connection but the first of a slot came with five operations on its forerunner.
            #expect(client.counters.staleOperations == UInt64(5 * (connections - Self.slots)))
            #expect(client.counters.closed == UInt64(connections))
        }
    }
}

/// Opens and ends connections in its worker's few slots; each opening is followed by operations on
/// the connection that had the slot before. One in sixteen echoes first.
private struct Hammer: Handler {
    private let report: Locked<DrillReport>
    private let connections: Int
    private let address: SocketAddress
    private var lifetimes = Lifetimes()
    private var source = freshSource()
    private var started = 0
    /// Who had the slot before, by index.
    private var previous: [ConnectionID?] = []
    private var failures: [String] = []

    init(_ report: Locked<DrillReport>, connections: Int, to address: SocketAddress) {
        self.report = report
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
            case .connected(let id): opened(id, &operations)
            case .received(let id, let buffer, let byteCount):
                let bytes = operations.copy(of: buffer, byteCount: Int(byteCount))
                if bytes != Self.message(id) { failures.append("\(id): \(bytes)") }
                operations.release(buffer)
                operations.abort(id)
            case .accepted, .sent, .closed: break
            }
        }
        connectMore(&operations)
        report.withLock {
            $0.lifetimes = lifetimes
            $0.failures = failures
            $0.freeBuffers = operations.freeBufferCount
            $0.isDone = lifetimes.closed == connections
        }
    }

    private mutating func connectMore(_ operations: inout OperationQueue) {
        while started < connections {
            if started % 10_000 == 0 { source = freshSource() }
            guard operations.connect(from: source, to: address) != nil else { return }
            started += 1
        }
    }

    private mutating func opened(_ id: ConnectionID, _ operations: inout OperationQueue) {
        while previous.count <= Int(id.index) { previous.append(nil) }
        if let old = previous[Int(id.index)] { useStale(old, &operations) }
        previous[Int(id.index)] = id
        guard id.generation % 16 == 15, let buffer = operations.takeBuffer() else {
            return operations.abort(id)
        }
        let bytes = Self.message(id)
        operations.fill(buffer, with: bytes)
        operations.arm(id)
        operations.send(id, buffer, byteCount: bytes.count)
    }

    /// Five operations that must do nothing to the connection that has the slot now.
    private func useStale(_ old: ConnectionID, _ operations: inout OperationQueue) {
        operations.arm(old)
        operations.armOnce(old)
        if let buffer = operations.takeBuffer() {
            operations.send(old, buffer, byteCount: 1)
        } else {
            operations.arm(old)
        }
        operations.close(old)
        operations.abort(old)
    }

    private static func message(_ id: ConnectionID) -> [UInt8] {
        pattern(Int(id.index) &+ Int(id.generation) &* 31, count: 16)
    }
}
