// Drill 23: eight buffers for a thousand connections that always have something to say.

import ConnectionEngine
import Testing

extension Contract.Drills {
    @Suite("23: eight buffers for a thousand senders") struct Fairness {
        @Test(
            "every sender is served, none three times as much as another",
            arguments: BackendKind.tested)
        func thousandSenders(backend: BackendKind) throws {
            var server = Configuration(backend: backend)
            server.listen = [.loopback(port: 0)]
            server.limits.connections = 2_048
            server.limits.buffers = 8
            server.limits.ringBuffers = 8
            server.limits.bufferByteCount = UInt32(AlwaysSending.messageByteCount)
            server.idleMode = .receive
            let echo = try Engine(server) { _ in PlainEcho() }
            let result = Locked(AlwaysSending.Served())
            // A thousand threads get their first turn after seconds only.
            let senderCount =
                backend == .threads ? DrillScale.count(short: 100, full: 1_000) : 1_000
            let senders = try senders(
                senderCount, messagesLeast(backend), to: echo.listeningAddresses[0], result)
            defer {
                finish(senders)
                finish(echo)
            }
            try eventually("the last message") {
                result.withLock { $0.isDone || $0.failure != nil }
            }
            let served = result.withLock { $0 }
            #expect(served.failure == nil)
            let (least, most) = (served.byConnection.min() ?? 0, served.byConnection.max() ?? 0)
            #expect(served.byConnection.count == senderCount)
            #expect(least >= messagesLeast(backend))
            // Whose thread runs is the kernel's choice, which a busy machine makes unevenly; no
            // buffer decides it. There, that each is served is all that can be asked for.
            if backend != .threads {
                #expect(most < 3 * least, "\(least) to \(most) messages of a sender")
            }
            // Buffers were lacking, or this would show nothing. (A thread has its bytes on its own
            // stack, and a buffer only while it has its turn.)
            if backend != .threads { #expect(echo.counters.bufferStarvations > 0) }
        }

        /// The kernel gives threads their turns unevenly, and evens that out in the long run only.
        private func messagesLeast(_ backend: BackendKind) -> Int {
            DrillScale.count(short: backend == .threads ? 100 : 20, full: 500)
        }

        /// The other end has all that it needs, and is the same for each backend.
        private func senders(
            _ count: Int, _ messagesLeast: Int, to address: SocketAddress,
            _ result: Locked<AlwaysSending.Served>
        ) throws -> Engine {
            var client = Configuration(backend: .epoll)
            client.limits.connections = 2_048
            client.limits.buffers = 16_384
            // Larger than all that is under way on a connection: a read leaves nothing behind.
            client.limits.bufferByteCount = 4_096
            return try Engine(client) { _ in
                AlwaysSending(count, messagesLeast, to: address, result)
            }
        }
    }
}

/// Many connections, each with four messages under way at any time, until each was served a few
/// times.
private struct AlwaysSending: Handler {
    static let messageByteCount = 512
    private static let messagesUnderWay = 4
    /// It ends when the sender that is served least has had so many. Enough that a round more or
    /// less is no factor.
    private let messagesLeast: Int

    struct Served {
        /// Messages that were echoed, by connection.
        var byConnection: [Int] = []
        var isDone = false
        var failure: String?
    }

    private let address: SocketAddress
    private let result: Locked<Served>
    private let senders: Int
    private var connected: [ConnectionID] = []
    /// Bytes that were echoed, by connection.
    private var bytes: [Int]
    /// Senders that were not served often enough yet.
    private var lacking: Int
    private var isDone = false

    init(
        _ senders: Int, _ messagesLeast: Int, to address: SocketAddress, _ result: Locked<Served>
    ) {
        self.messagesLeast = messagesLeast
        self.senders = senders
        bytes = Array(repeating: 0, count: senders)
        lacking = senders
        self.address = address
        self.result = result
    }

    mutating func start(_ operations: inout OperationQueue) {
        let source = freshSource()
        for _ in 0..<senders { _ = operations.connect(from: source, to: address) }
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        for position in 0..<completions.count {
            switch completions[position] {
            case .connected(let id):
                connected.append(id)
                operations.arm(id)
                // All begin at once: who connects first must have no lead.
                if connected.count == senders {
                    for id in connected {
                        for _ in 0..<Self.messagesUnderWay { sendMessage(id, &operations) }
                    }
                }
            case .received(let id, let buffer, let byteCount):
                operations.release(buffer)
                received(id, Int(byteCount), &operations)
            case .closed(let id, let reason):
                result.withLock { $0.failure = "\(id) closed: \(reason)" }
            case .accepted, .sent: break
            }
        }
    }

    private mutating func received(
        _ id: ConnectionID, _ byteCount: Int, _ operations: inout OperationQueue
    ) {
        let before = bytes[Int(id.index)] / Self.messageByteCount
        bytes[Int(id.index)] += byteCount
        let whole = bytes[Int(id.index)] / Self.messageByteCount - before
        if isDone { return }
        if before < messagesLeast, before + whole >= messagesLeast { lacking -= 1 }
        if lacking == 0 {
            isDone = true
            return result.withLock {
                $0.byConnection = bytes.map { $0 / Self.messageByteCount }
                $0.isDone = true
            }
        }
        for _ in 0..<whole { sendMessage(id, &operations) }
    }

    private func sendMessage(_ id: ConnectionID, _ operations: inout OperationQueue) {
        guard let buffer = operations.takeBuffer() else {
            return result.withLock { $0.failure = "the senders lack buffers themselves" }
        }
        operations.send(id, buffer, byteCount: Self.messageByteCount)
    }
}

/// Sends back what comes, and remembers nothing.
struct PlainEcho: Handler {
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
    }
}
