// A load client on a stage: the test plays its worker, its backend and its server.

@testable import ConnectionBench
@testable import ConnectionEngine

/// Milliseconds on the stage's clock, which begins late enough that no due time is 0.
func at(_ milliseconds: Double) -> MonotonicTime {
    MonotonicTime(nanoseconds: 1_000_000_000 + UInt64(milliseconds * 1e6))
}

final class LoadStage {
    private var client: LoadClient
    private var operations: OperationQueue
    let mailbox = LoadMailbox()
    let board: Scoreboard
    let row: Scoreboard.Row
    /// The newest request of each connection.
    private(set) var requests: [ConnectionID: [UInt8]] = [:]
    /// All requests of each connection.
    private(set) var sent: [ConnectionID: [[UInt8]]] = [:]

    /// - Parameter shape: changes the plain one.
    convenience init(
        tuples: Int = 100, worker: (index: Int, count: Int) = (0, 1), buffers: UInt32 = 64,
        slots: UInt32 = 100, shape: (inout LoadShape) -> Void, connectWindow: Int = 256
    ) throws {
        var settings = LoadSettings()
        settings.connectWindow = connectWindow
        shape(&settings.shape)
        try self.init(
            tuples: tuples, worker: worker, buffers: buffers, slots: slots, settings)
    }

    init(
        tuples: Int = 100, worker: (index: Int, count: Int) = (0, 1), buffers: UInt32 = 64,
        slots: UInt32 = 100, _ settings: LoadSettings = LoadSettings()
    ) throws {
        let plan = try TuplePlan(
            connections: tuples, sources: SourceRange(seed: 1),
            destinations: [.loopback(port: 7_000)])
        board = try Scoreboard(rowCount: 1)
        row = board.row(0)
        client = LoadClient(
            plan: plan, settings: settings, mailbox: mailbox, row: row, worker: worker,
            board: board)
        var limits = Limits()
        limits.connections = slots
        limits.buffers = buffers
        operations = try OperationQueue(limits: limits)
        client.start(&operations)
    }

    /// When the client wants its next turn, in milliseconds.
    var nextDue: Double? {
        client.nextDue.map { (Double($0.nanoseconds) - 1e9) / 1e6 }
    }

    /// One turn of the circle.
    ///
    /// - Returns: what the client asks for. Buffers that it sends go back at once.
    @discardableResult
    func turn(_ completions: [Completion] = [], at milliseconds: Double) -> [Operation] {
        for case .closed(let id, _) in completions { operations.table.release(id) }
        client.handle(CompletionBatch(completions, at: at(milliseconds)), &operations)
        let asked = (0..<operations.count).map { operations[$0] }
        operations.removeAll()
        for case .send(let id, let buffer, let byteCount) in asked {
            requests[id] = operations.withBytes(of: buffer, byteCount: Int(byteCount)) { bytes in
                (0..<bytes.byteCount).map {
                    bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self)
                }
            }
            sent[id, default: []].append(requests[id] ?? [])
            operations.release(buffer)
        }
        return asked
    }

    @discardableResult
    func post(_ command: LoadCommand, at milliseconds: Double) -> [Operation] {
        mailbox.post(command)
        return turn(at: milliseconds)
    }

    /// Asks for a probe without telling its absolute times.
    @discardableResult
    func probe(
        perSecond: Double, from start: Double, for duration: Double, warmup: Double = 0,
        active: Int? = nil
    ) -> [Operation] {
        post(.probe(order(perSecond, start, duration, warmup, active)), at: start)
    }

    /// Asks for a churn, with requests meanwhile.
    @discardableResult
    func churn(
        closesPerSecond: Double, perSecond: Double = 0, from start: Double, for duration: Double,
        inOrder: Bool = false
    ) -> [Operation] {
        post(
            .churn(
                order(perSecond, start, duration, 0, perSecond > 0 ? nil : 0),
                closesPerSecond: closesPerSecond, inOrder: inOrder), at: start)
    }

    private func order(
        _ perSecond: Double, _ start: Double, _ duration: Double, _ warmup: Double, _ active: Int?
    ) -> ProbeOrder {
        ProbeOrder(
            requestsPerSecond: perSecond, activeConnections: active,
            startNanoseconds: at(start).nanoseconds, warmupNanoseconds: UInt64(warmup * 1e6),
            durationNanoseconds: UInt64(duration * 1e6))
    }

    /// Bytes from the server: requests of a connection, by their numbers from 0, one after another.
    func answers(_ id: ConnectionID, _ numbers: ClosedRange<Int>) -> Completion {
        answer(id, numbers.flatMap { sent[id]?[$0] ?? [] })
    }

    /// Opens `count` connections at 0 ms and takes the ramp's report away.
    func opened(_ count: Int) -> [ConnectionID] {
        let ids = post(.ramp(target: count), at: 0).connects
        turn(ids.map { .connected($0) }, at: 0)
        _ = mailbox.takeReport()
        return ids
    }

    /// Bytes from the server: the whole newest request unless others are given.
    func answer(_ id: ConnectionID, _ bytes: [UInt8]? = nil) -> Completion {
        let bytes = bytes ?? requests[id] ?? []
        guard let buffer = operations.takeBuffer() else { fatalError("no buffer is free") }
        operations.withMutableBytes(of: buffer, byteCount: bytes.count) { span in
            for (offset, byte) in bytes.enumerated() {
                span.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
            }
        }
        return .received(id, buffer, byteCount: UInt32(bytes.count))
    }

    /// Places in the client's list of connections that are taken, gaps included.
    var places: Int { client.links.count }

    var freeBuffers: Int { operations.freeBufferCount }
}

extension [Operation] {
    var connects: [ConnectionID] {
        compactMap { if case .connect(let id, _, _) = $0 { id } else { nil } }
    }

    /// The source ports of its connects.
    var sources: [SocketAddress] {
        compactMap { if case .connect(_, let source, _) = $0 { source } else { nil } }
    }

    var aborts: [ConnectionID] {
        compactMap { if case .abort(let id) = $0 { id } else { nil } }
    }

    var sends: [ConnectionID] {
        compactMap { if case .send(let id, _, _) = $0 { id } else { nil } }
    }
}

extension SparseHistogram {
    /// Every recorded value in whole milliseconds, in rising order.
    var milliseconds: [Int] {
        zip(values, counts).flatMap { value, count in
            Array(repeating: Int((Double(value) / 1e6).rounded()), count: Int(count))
        }
    }
}
