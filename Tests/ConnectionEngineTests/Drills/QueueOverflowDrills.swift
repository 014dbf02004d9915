// Drills 10, 11 and 13: accept queues of 8 under a burst, and sockets with next to no memory.

import ConnectionEngine
import Glibc
import Testing

extension Contract.Drills {
    /// Each in a process and a network of its own, whose sysctls it changes.
    @Suite("10, 11, 13: queues and sockets that are too small", .needsRoot) struct SmallSockets {
        @Test(
            "somaxconn 8 and a burst of clients: the kernel repeats, everybody is served",
            arguments: BackendKind.tested)
        func burst(backend: BackendKind) async {
            await #expect(processExitsWith: .success) { [backend] in
                telling {
                    OwnNetwork.enter()
                    OwnNetwork.set("net.core.somaxconn", "8")
                    // With cookies the kernel forgets clients that it has answered already.
                    OwnNetwork.set("net.ipv4.tcp_syncookies", "0")
                    let outcome = try overflow(backend)
                    require(outcome.echoed == burstClients, "\(outcome)")
                }
            }
        }

        @Test(
            "tcp_abort_on_overflow: whoever is not served hears of it by a reset",
            arguments: BackendKind.tested)
        func aborts(backend: BackendKind) async {
            await #expect(processExitsWith: .success) { [backend] in
                telling {
                    OwnNetwork.enter()
                    OwnNetwork.set("net.core.somaxconn", "8")
                    OwnNetwork.set("net.ipv4.tcp_abort_on_overflow", "1")
                    let outcome = try overflow(backend)
                    let resets = outcome.failures[.failed(Errno(ECONNRESET))] ?? 0
                    require(outcome.echoed + resets == burstClients, "\(outcome)")
                    require(outcome.echoed > 0, "\(outcome)")
                }
            }
        }

        @Test("tcp_rmem and tcp_wmem of 4 kB: slow, but every byte", arguments: BackendKind.tested)
        func tiny(backend: BackendKind) async {
            await #expect(processExitsWith: .success) { [backend] in
                telling {
                    OwnNetwork.enter()
                    OwnNetwork.set("net.ipv4.tcp_rmem", "4096 4096 4096")
                    OwnNetwork.set("net.ipv4.tcp_wmem", "4096 4096 4096")
                    var scenario = EchoScenario(backend)
                    scenario.load = Load(
                        connections: 16,
                        bytesPerConnection: DrillScale.count(short: 20_000, full: 500_000),
                        window: 8_192)
                    let outcome = try scenario.run()
                    let counters = outcome.server
                    // A ring's send waits in the kernel.
                    require(
                        backend == .uring || counters.shortSends + counters.blockedSends > 0,
                        "\(counters)")
                }
            }
        }
    }
}

private let burstClients = DrillScale.count(short: 40, full: 600)

/// All clients connect in one turn and send a byte each, while the server accepts nobody until its
/// queue has overflowed.
private func overflow(_ backend: BackendKind) throws -> Burst.Outcome {
    // Every second, for two minutes: repeated at ever longer intervals, and by all at once,
    // hundreds would take a quarter of an hour through a queue of 8. A dozen get through a second.
    OwnNetwork.set("net.ipv4.tcp_syn_retries", "127")
    OwnNetwork.set("net.ipv4.tcp_syn_linear_timeouts", "127")
    let server = try TestEngine(backend, .echo, listens: true)
    let address = server.address
    let hasOverflowed = Answer<Bool>()
    server.journal.add { _ in while hasOverflowed.value == nil { usleep(1_000) } }
    server.engine.wake()
    let outcome = Locked(Burst.Outcome())
    var configuration = Configuration(backend: .epoll)
    configuration.limits.connections = 2_048
    let client = try Engine(configuration) { _ in
        Burst(clients: burstClients, to: address, outcome)
    }
    try eventually("an overflow") { OwnNetwork.count(of: "ListenOverflows") > 0 }
    hasOverflowed.set(true)
    try eventually("an end of each of \(burstClients) clients") {
        outcome.withLock { $0.echoed + $0.failures.values.reduce(0, +) } >= burstClients
    }
    finish(client)
    server.end()
    return outcome.withLock { $0 }
}

private struct Burst: Handler {
    struct Outcome {
        var echoed = 0
        var failures: [CloseReason: Int] = [:]
    }

    private let clients: Int
    private let address: SocketAddress
    private let outcome: Locked<Outcome>

    init(clients: Int, to address: SocketAddress, _ outcome: Locked<Outcome>) {
        self.clients = clients
        self.address = address
        self.outcome = outcome
    }

    mutating func start(_ operations: inout OperationQueue) {
        for _ in 0..<clients { _ = operations.connect(to: address) }
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        for position in 0..<completions.count {
            switch completions[position] {
            case .connected(let id):
                operations.arm(id)
                _ = operations.queue([7], to: id)
            case .received(let id, let buffer, _):
                operations.release(buffer)
                operations.close(id)
                outcome.withLock { $0.echoed += 1 }
            case .closed(_, .requested): break
            case .closed(_, let reason): outcome.withLock { $0.failures[reason, default: 0] += 1 }
            case .accepted, .sent: break
            }
        }
    }
}
