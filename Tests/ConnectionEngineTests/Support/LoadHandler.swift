// A client that opens many connections, sends a known stream on each and checks the echo.

import ConnectionEngine

/// What a load consists of.
struct Load: Sendable {
    var connections = 1
    var bytesPerConnection = 64
    /// Connections that are open or opening at once; 0: all.
    var atOnce = 0
    /// Connections that have not been echoed, thus perhaps not been accepted either; 0: all. Where
    /// a listener's queue is smaller than the load the kernel itself resets connections (SYN
    /// cookies whose last step finds the queue full).
    var unansweredMax = 0
    /// Bytes that may be under way on one connection. Small enough that two blocking ends which
    /// both send first never wait for each other.
    var window = 32_768
    /// Bytes of one send; 0: a whole buffer.
    var piece = 0
    var destinations: [SocketAddress] = []
    var source: SocketAddress? = freshSource()
    /// Connections stay open until all have been echoed once.
    var holdsAll = false
}

/// How a load went; filled by its handler.
final class LoadResult: Sendable {
    struct State {
        var echoed = 0
        var closed = 0
        var failures: [String] = []
        var freeAtStart = 0
        var freeAtEnd = 0
        var isDone = false
    }

    private let storage = Locked(State())

    var state: State { storage.withLock { $0 } }

    func update(_ body: (inout State) -> Void) { storage.withLock { body(&$0) } }
}

/// Runs a ``Load`` in one worker.
struct LoadHandler: Handler {
    private struct Stream {
        let id: ConnectionID
        let number: Int
        var sent = 0
        var received = 0
        var isWaiting = false
    }

    let load: Load
    let result: LoadResult
    private var streams: [UInt32: Stream] = [:]
    /// Connections that found no buffer.
    private var waiting: [UInt32] = []
    private var opened = 0
    /// Connections that have got their first bytes back.
    private var answered = 0
    private var echoed = 0
    private var closed = 0

    init(_ load: Load, _ result: LoadResult) {
        self.load = load
        self.result = result
    }

    mutating func start(_ operations: inout OperationQueue) {
        let free = operations.freeBufferCount
        result.update { $0.freeAtStart = free }
        openMore(&operations)
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        for position in 0..<completions.count {
            switch completions[position] {
            case .accepted(let id): fail("accepted \(id) by a client")
            case .connected(let id):
                operations.arm(id)
                pump(id.index, &operations)
            case .received(let id, let buffer, let byteCount):
                received(id, buffer, Int(byteCount), &operations)
            case .sent: break
            case .closed(let id, let reason):
                guard let stream = streams.removeValue(forKey: id.index), stream.id == id else {
                    fail("closed an unknown \(id)")
                    break
                }
                if reason != .requested || stream.received != load.bytesPerConnection {
                    fail("\(id) closed with \(stream.received) bytes: \(reason)")
                }
                closed += 1
            }
        }
        serveWaiting(&operations)
        openMore(&operations)
        report(operations.freeBufferCount)
    }

    private mutating func openMore(_ operations: inout OperationQueue) {
        let bound = load.atOnce == 0 ? load.connections : load.atOnce
        let unanswered = load.unansweredMax == 0 ? load.connections : load.unansweredMax
        while opened < load.connections, streams.count < bound, opened - answered < unanswered {
            let destination = load.destinations[opened % load.destinations.count]
            guard let id = operations.connect(from: load.source, to: destination) else { return }
            streams[id.index] = Stream(id: id, number: opened)
            opened += 1
        }
    }

    /// Sends what the window and the pool allow.
    private mutating func pump(_ index: UInt32, _ operations: inout OperationQueue) {
        guard var stream = streams[index] else { return }
        defer { streams[index] = stream }
        let piece = load.piece == 0 ? operations.bufferByteCount : load.piece
        while stream.sent < load.bytesPerConnection, stream.sent - stream.received < load.window {
            guard let buffer = operations.takeBuffer() else {
                if !stream.isWaiting {
                    stream.isWaiting = true
                    waiting.append(index)
                }
                return
            }
            let count = min(piece, load.bytesPerConnection - stream.sent)
            operations.fill(buffer, with: pattern(stream.number, from: stream.sent, count: count))
            operations.send(stream.id, buffer, byteCount: count)
            stream.sent += count
        }
    }

    private mutating func received(
        _ id: ConnectionID, _ buffer: Buffer, _ byteCount: Int,
        _ operations: inout OperationQueue
    ) {
        guard var stream = streams[id.index], stream.id == id else {
            operations.release(buffer)
            return fail("bytes of an unknown \(id)")
        }
        let start = stream.received
        let isRight =
            operations.copy(of: buffer, byteCount: byteCount)
            == pattern(stream.number, from: start, count: byteCount)
        operations.release(buffer)
        if start == 0 { answered += 1 }
        if !isRight { fail("\(id): wrong bytes in \(start)..<\(start + byteCount)") }
        stream.received += byteCount
        streams[id.index] = stream
        if stream.received >= load.bytesPerConnection {
            echoed += 1
            if !load.holdsAll { operations.close(id) }
            if load.holdsAll, echoed == load.connections {
                for stream in streams.values { operations.close(stream.id) }
            }
        } else {
            pump(id.index, &operations)
        }
    }

    private mutating func serveWaiting(_ operations: inout OperationQueue) {
        if waiting.isEmpty || operations.freeBufferCount == 0 { return }
        let indices = waiting
        waiting.removeAll(keepingCapacity: true)
        for index in indices {
            streams[index]?.isWaiting = false
            pump(index, &operations)
        }
    }

    private func fail(_ what: String) {
        result.update { if $0.failures.count < 20 { $0.failures.append(what) } }
    }

    private func report(_ free: Int) {
        let isDone = closed == load.connections
        result.update {
            $0.echoed = echoed
            $0.closed = closed
            $0.freeAtEnd = free
            $0.isDone = isDone
        }
    }
}
