// Clients that mean no harm: requests at due times, every byte of every answer checked.

import ConnectionEngine

@testable import ConnectionBench

/// What honest clients have seen so far; filled by their handler, read by anyone.
final class HonestRecord: Sendable {
    struct State: Sendable {
        var connected = 0
        var sent = 0
        var answered = 0
        var wrong = 0
        /// Connections that ended, or were never made, though nobody asked for it.
        var unexpectedCloses = 0
        fileprivate var window = LatencyHistogram()
        /// Due times of the requests that have no answer yet, by connection.
        fileprivate var waiting: [UInt32: MonotonicTime] = [:]
    }

    private let storage = Locked(State())

    var state: State { storage.withLock { $0 } }

    /// The latencies since the last call. A request that is still unanswered counts with what it has
    /// waited so far, else the worst ones would be missing.
    func takeWindow() -> LatencyHistogram {
        let now = MonotonicTime.now
        return storage.withLock { state in
            var window = state.window
            for due in state.waiting.values where due < now {
                window.record(now.nanoseconds(since: due))
            }
            state.window.reset()
            return window
        }
    }

    fileprivate func update(_ body: @Sendable (inout State) -> Void) {
        storage.withLock { body(&$0) }
    }
}

/// A few connections with one request each at a time, at equal intervals; latency counts from the
/// due time.
struct HonestClients: Handler {
    private struct Client {
        var id: ConnectionID
        let number: UInt32
        var isOpen = false
        var due: MonotonicTime
        var isWaiting = false
        var sequence: UInt32 = 0
        var received = 0
    }

    let destination: SocketAddress
    let source: SocketAddress
    let count: Int
    let intervalNanoseconds: UInt64
    let record: HonestRecord
    private var clients: [Client] = []
    private var positions: [UInt32: Int] = [:]

    init(
        to destination: SocketAddress, from source: SocketAddress, count: Int,
        intervalSeconds: Double, record: HonestRecord
    ) {
        self.destination = destination
        self.source = source
        self.count = count
        intervalNanoseconds = UInt64(intervalSeconds * 1e9)
        self.record = record
    }

    var nextDue: MonotonicTime? {
        clients.filter { $0.isOpen && !$0.isWaiting }.map(\.due).min()
    }

    mutating func start(_ operations: inout OperationQueue) {
        for number in 0..<count {
            guard let id = operations.connect(from: source, to: destination) else {
                record.update { $0.unexpectedCloses += 1 }
                continue
            }
            positions[id.index] = clients.count
            clients.append(Client(id: id, number: UInt32(number), due: .now))
        }
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        for index in 0..<completions.count {
            switch completions[index] {
            case .connected(let id):
                guard let position = positions[id.index] else { continue }
                operations.arm(id)
                clients[position].isOpen = true
                // Spread over the interval, so that they do not come all at once.
                clients[position].due = completions.reapedAt.advanced(
                    byNanoseconds: intervalNanoseconds * UInt64(position) / UInt64(count))
                record.update { $0.connected += 1 }
            case .received(let id, let buffer, let byteCount):
                received(id, buffer, Int(byteCount), at: completions.reapedAt, operations)
                operations.release(buffer)
            case .closed(let id, _):
                guard let position = positions[id.index] else { continue }
                clients[position].isOpen = false
                record.update {
                    $0.unexpectedCloses += 1
                    $0.waiting[id.index] = nil
                }
            case .accepted, .sent: break
            }
        }
        for position in clients.indices { sendIfDue(position, .now, &operations) }
    }

    private func pattern(_ client: Client) -> MessagePattern {
        MessagePattern(connection: client.number, sequence: client.sequence)
    }

    private func byteCount(_ client: Client) -> Int {
        1 + Int(pattern(client).sizeDraw % 1_024)
    }

    private mutating func sendIfDue(
        _ position: Int, _ now: MonotonicTime, _ operations: inout OperationQueue
    ) {
        let client = clients[position]
        guard client.isOpen, !client.isWaiting, client.due <= now,
            let buffer = operations.takeBuffer()
        else { return }
        let size = byteCount(client)
        operations.withMutableBytes(of: buffer, byteCount: size) { pattern(client).fill(&$0) }
        operations.send(client.id, buffer, byteCount: size)
        clients[position].isWaiting = true
        clients[position].received = 0
        record.update {
            $0.sent += 1
            $0.waiting[client.id.index] = client.due
        }
    }

    private mutating func received(
        _ id: ConnectionID, _ buffer: Buffer, _ count: Int, at now: MonotonicTime,
        _ operations: borrowing OperationQueue
    ) {
        guard let position = positions[id.index] else { return }
        let client = clients[position]
        let size = byteCount(client)
        let isRight =
            client.isWaiting && client.received + count <= size
            && operations.withBytes(of: buffer, byteCount: count) {
                pattern(client).matches($0, from: client.received)
            }
        if !isRight { record.update { $0.wrong += 1 } }
        clients[position].received += count
        guard client.isWaiting, client.received + count >= size else { return }
        clients[position].isWaiting = false
        clients[position].sequence += 1
        clients[position].due = client.due.advanced(byNanoseconds: intervalNanoseconds)
        let latency = now.nanoseconds(since: client.due)
        record.update {
            $0.answered += 1
            $0.window.record(latency)
            $0.waiting[id.index] = nil
        }
    }
}
