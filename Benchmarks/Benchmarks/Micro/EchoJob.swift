// A real server and a real client in one process: what their echoes take.

import ConnectionEngine
import CountMalloc
import Synchronization

/// Sends back what it receives.
struct Echo: Handler {
    var gauge: EchoGauge?

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        for position in 0..<completions.count {
            switch completions[position] {
            case .accepted(let id): operations.arm(id)
            case .received(let id, let buffer, let byteCount):
                operations.send(id, buffer, byteCount: Int(byteCount))
            case .connected, .sent, .closed: break
            }
        }
        gauge?.serverAllocations.store(count_malloc_calls_of_thread(), ordering: .relaxed)
    }
}

/// What the two workers saw.
final class EchoGauge: Sendable {
    let nanoseconds = Atomic<UInt64>(0)
    let allocations = Atomic<UInt>(0)
    let failures = Atomic<Int>(0)
    /// Of the server's thread, since it began.
    let serverAllocations = Atomic<UInt>(0)
    /// A connection's thread comes and goes: there the whole process is counted.
    private let countsProcess: Bool

    init(_ backend: BackendKind) {
        countsProcess = backend == .threads
    }

    /// Called on the client's thread.
    var allocationsSoFar: UInt {
        countsProcess
            ? count_malloc_calls()
            : count_malloc_calls_of_thread() + serverAllocations.load(ordering: .relaxed)
    }
}

/// One request outstanding on each connection; the answer's buffer is the next request's.
struct PingClient: Handler {
    static let message = 64
    let server: SocketAddress
    let connections: Int
    let echoes: Int
    let gauge: EchoGauge
    private var connected: [ConnectionID] = []
    private var echoed = 0
    private var beganAt = MonotonicTime.zero
    private var allocationsBefore: UInt = 0
    /// Echoes before the measuring begins: all connections are hot then.
    private let warmup: Int

    init(to server: SocketAddress, connections: Int, echoes: Int, gauge: EchoGauge) {
        self.server = server
        self.connections = connections
        self.echoes = echoes
        self.gauge = gauge
        warmup = 20 * connections
        connected.reserveCapacity(connections)
    }

    mutating func start(_ operations: inout OperationQueue) {
        for _ in 0..<connections { _ = operations.connect(to: server) }
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        for position in 0..<completions.count {
            switch completions[position] {
            case .connected(let id):
                operations.arm(id)
                connected.append(id)
                if connected.count == connections { request(&operations) }
            case .received(let id, let buffer, let byteCount):
                precondition(byteCount == PingClient.message, "\(byteCount) bytes")
                operations.send(id, buffer, byteCount: Int(byteCount))
                count(at: completions.reapedAt, &operations)
            case .closed:
                gauge.failures.add(1, ordering: .relaxed)
                operations.stop()
            case .accepted, .sent: break
            }
        }
    }

    private func request(_ operations: inout OperationQueue) {
        for id in connected {
            guard let buffer = operations.takeBuffer() else { preconditionFailure("no buffer") }
            operations.withMutableBytes(of: buffer, byteCount: PingClient.message) {
                for offset in 0..<PingClient.message {
                    $0.storeBytes(of: UInt8(offset), toByteOffset: offset, as: UInt8.self)
                }
            }
            operations.send(id, buffer, byteCount: PingClient.message)
        }
    }

    private mutating func count(at time: MonotonicTime, _ operations: inout OperationQueue) {
        echoed += 1
        if echoed == warmup {
            beganAt = time
            allocationsBefore = gauge.allocationsSoFar
        } else if echoed == warmup + echoes {
            gauge.allocations.store(
                gauge.allocationsSoFar - allocationsBefore, ordering: .relaxed)
            gauge.nanoseconds.store(time.nanoseconds(since: beganAt), ordering: .relaxed)
            operations.stop()
        }
    }
}

struct EchoJob {
    struct Outcome {
        let nanoseconds: UInt64
        let allocations: UInt
        let server: Counters
    }

    struct Failed: Error {}

    let backend: BackendKind
    let connections: Int
    let echoes: Int

    init(_ backend: BackendKind, connections: Int, echoes: Int) {
        self.backend = backend
        self.connections = connections
        self.echoes = echoes
    }

    func run() throws -> Outcome {
        let gauge = EchoGauge(backend)
        let server = try EchoJob.server(backend, gauge)
        defer { server.stop() }
        let (address, connections, echoes) = (server.listeningAddresses[0], connections, echoes)
        let client = try Engine(Configuration(backend: backend)) { _ in
            PingClient(to: address, connections: connections, echoes: echoes, gauge: gauge)
        }
        try client.join()
        server.stop()
        try server.join()
        guard gauge.failures.load(ordering: .relaxed) == 0 else { throw Failed() }
        return Outcome(
            nanoseconds: gauge.nanoseconds.load(ordering: .relaxed),
            allocations: gauge.allocations.load(ordering: .relaxed), server: server.counters)
    }

    static func server(_ backend: BackendKind, _ gauge: EchoGauge? = nil) throws -> Engine {
        var configuration = Configuration(backend: backend)
        configuration.listen = [.loopback(port: 0)]
        return try Engine(configuration) { _ in Echo(gauge: gauge) }
    }
}
