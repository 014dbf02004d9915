// An engine that a test drives step by step, as if it were the handler itself.

import ConnectionEngine
import Glibc
import Testing

/// An engine with one scripted handler per worker.
final class TestEngine: Sendable {
    let engine: Engine
    let journals: [Journal]

    /// - Parameter set: changes to the set-up; the limits are small by default.
    init(
        _ backend: BackendKind, _ reaction: ScriptedHandler.Reaction = .collect,
        listens: Bool = false, _ set: (inout Configuration) -> Void = { _ in }
    ) throws {
        var configuration = Configuration(backend: backend)
        configuration.limits.connections = 2_048
        configuration.limits.buffers = 512
        if listens { configuration.listen = [.loopback(port: 0)] }
        set(&configuration)
        let journals = (0..<configuration.workers).map { _ in Journal() }
        self.journals = journals
        self.engine = try Engine(configuration) { worker in
            ScriptedHandler(journal: journals[worker], reaction: reaction)
        }
    }

    var journal: Journal { journals[0] }
    var address: SocketAddress { engine.listeningAddresses[0] }

    /// Stops the engine and checks what must hold for every test: it ends, without a failure and
    /// without a broken promise.
    ///
    /// - Returns: its final counters.
    @discardableResult
    func end(sourceLocation: SourceLocation = #_sourceLocation) -> Counters {
        finish(engine, sourceLocation: sourceLocation)
        for journal in journals {
            let violations = journal.read { $0.violations }
            #expect(violations.isEmpty, sourceLocation: sourceLocation)
        }
        let counters = engine.counters
        #expect(counters.completionsDropped == 0, sourceLocation: sourceLocation)
        #expect(counters.acceptTableFull == 0, sourceLocation: sourceLocation)
        #expect(kernelWorkerThreads() == [], sourceLocation: sourceLocation)
        return counters
    }

    // MARK: Asking

    /// Runs `body` in a turn of the handler and hands its result back.
    @discardableResult
    func perform<Result: Sendable>(
        worker: Int = 0, _ body: @escaping @Sendable (inout OperationQueue) -> Result
    ) throws -> Result {
        let answer = Answer<Result>()
        journals[worker].add { operations in answer.set(body(&operations)) }
        engine.wake()
        return try eventually("the handler's turn") { answer.value }
    }

    func connect(
        from source: SocketAddress? = ownSource, to destination: SocketAddress
    ) throws -> ConnectionID {
        try #require(try perform { $0.connect(from: source, to: destination) })
    }

    /// Connects and waits until that has succeeded.
    func connected(to destination: SocketAddress) throws -> ConnectionID {
        let id = try connect(to: destination)
        try hears(.connected(id))
        return id
    }

    /// Queues `bytes` in as many buffers as they need, all in one turn.
    ///
    /// - Returns: how many `.sent` will answer.
    @discardableResult
    func send(_ id: ConnectionID, _ bytes: [UInt8]) throws -> Int {
        try perform { operations in operations.queue(bytes, to: id) }
    }

    // MARK: Hearing

    func hears(_ event: Completion) throws {
        try eventually("\(event)") { journal.read { $0.events.contains(event) } }
    }

    /// The next `count` accepted connections' ids, in order, from the first on.
    func accepted(_ count: Int = 1, worker: Int = 0) throws -> [ConnectionID] {
        try eventually("\(count) accepted") {
            let ids = journals[worker].read { $0.accepted }
            return ids.count >= count ? ids : nil
        }
    }

    func closeReason(_ id: ConnectionID) throws -> CloseReason {
        try eventually("closed \(id)") { journal.read { $0.closed[id] } }
    }

    func received(_ id: ConnectionID, count: Int) throws -> [UInt8] {
        try eventually("\(count) bytes of \(id)") {
            journal.read { state in
                let bytes = state.bytes[id] ?? []
                return bytes.count >= count ? bytes : nil
            }
        }
    }

    func hearsSent(_ id: ConnectionID, times: Int) throws {
        try eventually("\(times) sent") { journal.read { $0.sentCount[id] ?? 0 } >= times }
    }

    /// Waits until every connection is closed.
    func becomesEmpty() throws {
        try eventually("all closed") { journals.allSatisfy { $0.read { $0.open.isEmpty } } }
    }

    /// Takes a few turns of the handler: what was under way has come by then.
    func settle() throws {
        for _ in 0..<3 {
            try perform { _ in }
            usleep(2_000)
        }
    }
}

extension Journal.State {
    var accepted: [ConnectionID] {
        events.compactMap { event in
            if case .accepted(let id) = event { id } else { nil }
        }
    }

    func count(of event: Completion) -> Int { events.count { $0 == event } }
}

extension OperationQueue {
    /// Fills and sends as many buffers as `bytes` need; stops when the pool is empty.
    mutating func queue(_ bytes: [UInt8], to id: ConnectionID) -> Int {
        var sends = 0
        var start = 0
        while start < bytes.count, let buffer = takeBuffer() {
            let piece = bytes[start..<min(start + bufferByteCount, bytes.count)]
            fill(buffer, with: piece)
            send(id, buffer, byteCount: piece.count)
            start += piece.count
            sends += 1
        }
        return sends
    }

    mutating func fill(_ buffer: Buffer, with bytes: some Sequence<UInt8>) {
        let bytes = Array(bytes)
        withMutableBytes(of: buffer, byteCount: bytes.count) { span in
            span.withUnsafeMutableBytes { $0.copyBytes(from: bytes) }
        }
    }

    func copy(of buffer: Buffer, byteCount: Int) -> [UInt8] {
        withBytes(of: buffer, byteCount: byteCount) { span in span.withUnsafeBytes { Array($0) } }
    }
}

/// A value that another thread sets once.
final class Answer<Value: Sendable>: Sendable {
    private let storage = Locked<Value?>(nil)

    var value: Value? { storage.withLock { $0 } }

    func set(_ value: Value) {
        storage.withLock { $0 = value }
    }
}

/// Stops an engine and joins it on another thread: one that hangs is an error, not a hanging test.
func stopAndJoin(_ engine: Engine) throws {
    engine.stop()
    let answer = Answer<Result<Void, SystemError>>()
    onThread {
        do throws(SystemError) {
            try engine.join()
            answer.set(.success(()))
        } catch {
            answer.set(.failure(error))
        }
    }
    try eventually("the engine's end") { answer.value }.get()
}

/// The same, where a failure is the test's alone.
func finish(_ engine: Engine, sourceLocation: SourceLocation = #_sourceLocation) {
    do {
        try stopAndJoin(engine)
    } catch {
        Issue.record("\(error)", sourceLocation: sourceLocation)
    }
}

/// Runs `body` on a detached thread of its own.
func onThread(_ body: @escaping @Sendable () -> Void) {
    final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let context = Unmanaged.passRetained(Box(body)).toOpaque()
    let code = pthread_create(
        &thread, nil,
        { context in
            Unmanaged<Box>.fromOpaque(context!).takeRetainedValue().body()
            return nil
        }, context)
    precondition(code == 0, "pthread_create: \(code)")
    pthread_detach(thread)
}
