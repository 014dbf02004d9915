// What one worker's handler was told, written down as it comes and checked against the promises.

import ConnectionEngine

/// Shared between a worker and the test that drives it.
final class Journal: Sendable {
    typealias Command = @Sendable (inout OperationQueue) -> Void

    struct State {
        var events: [Completion] = []
        /// Received bytes of each connection, in order.
        var bytes: [ConnectionID: [UInt8]] = [:]
        /// Buffers that the test keeps (``Reaction/keep``), oldest first.
        var kept: [(id: ConnectionID, buffer: Buffer, byteCount: Int)] = []
        var open: Set<ConnectionID> = []
        var closed: [ConnectionID: CloseReason] = [:]
        var sentCount: [ConnectionID: Int] = [:]
        /// Promises that were broken, in words.
        var violations: [String] = []
        var turns = 0
        var emptyTurns = 0
        var lastTurnAt = MonotonicTime.zero
        var batchMax = 0
        /// Free buffers at the start and after the newest turn.
        var freeAtStart = -1
        var freeNow = -1
        var due: MonotonicTime?
        fileprivate var commands: [Command] = []
    }

    private let state = Locked(State())

    func read<Value>(_ body: (State) throws -> Value) rethrows -> Value {
        try state.withLock { try body($0) }
    }

    // MARK: The test's side

    func add(_ command: @escaping Command) {
        state.withLock { $0.commands.append(command) }
    }

    /// Sets the handler's due time; it counts from the handler's next turn on.
    func setDue(_ due: MonotonicTime?) {
        state.withLock { $0.due = due }
    }

    func takeKept() -> (id: ConnectionID, buffer: Buffer, byteCount: Int)? {
        state.withLock { $0.kept.isEmpty ? nil : $0.kept.removeFirst() }
    }

    // MARK: The handler's side

    func takeCommands() -> [Command] {
        state.withLock { state in
            defer { state.commands.removeAll() }
            return state.commands
        }
    }

    func started(freeBuffers: Int) {
        state.withLock {
            $0.freeAtStart = freeBuffers
            $0.freeNow = freeBuffers
        }
    }

    func turnEnded(batch: Int, freeBuffers: Int) {
        state.withLock {
            $0.turns += 1
            $0.lastTurnAt = .now
            if batch == 0 { $0.emptyTurns += 1 }
            $0.batchMax = max($0.batchMax, batch)
            $0.freeNow = freeBuffers
        }
    }

    /// Writes an event down; promise 2 is checked for every event of every test.
    func record(_ event: Completion, bytes: [UInt8], keeps: Bool) {
        state.withLock { state in
            state.events.append(event)
            switch event {
            case .accepted(let id), .connected(let id):
                if !state.open.insert(id).inserted { state.violations.append("twice: \(event)") }
                if state.closed[id] != nil { state.violations.append("id used again: \(event)") }
            case .received(let id, let buffer, let byteCount):
                if !state.open.contains(id) { state.violations.append("not open: \(event)") }
                if byteCount == 0 { state.violations.append("no bytes: \(event)") }
                state.bytes[id, default: []] += bytes
                if keeps { state.kept.append((id, buffer, Int(byteCount))) }
            case .sent(let id):
                if !state.open.contains(id) { state.violations.append("not open: \(event)") }
                state.sentCount[id, default: 0] += 1
            case .closed(let id, let reason):
                state.open.remove(id)
                if state.closed.updateValue(reason, forKey: id) != nil {
                    state.violations.append("closed twice: \(event)")
                }
            }
        }
    }
}

/// A handler that obeys its test: it writes down what comes and runs what the test asks for.
struct ScriptedHandler: Handler {
    let journal: Journal
    let reaction: Reaction

    enum Reaction: Sendable {
        /// Bytes are noted and the buffer is released.
        case collect
        /// Every connection is armed when it opens, and its bytes are sent back.
        case echo
        /// Every connection is armed when it opens, and its bytes are noted.
        case armAndCollect
        /// Bytes are noted, and the test takes the buffer.
        case keep
    }

    mutating func start(_ operations: inout OperationQueue) {
        journal.started(freeBuffers: operations.freeBufferCount)
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        for command in journal.takeCommands() { command(&operations) }
        for position in 0..<completions.count {
            let event = completions[position]
            var bytes: [UInt8] = []
            var keeps = false
            switch event {
            case .accepted(let id), .connected(let id):
                switch reaction {
                case .echo, .armAndCollect: operations.arm(id)
                case .collect, .keep: break
                }
            case .received(let id, let buffer, let byteCount):
                bytes = operations.copy(of: buffer, byteCount: Int(byteCount))
                switch reaction {
                case .echo: operations.send(id, buffer, byteCount: Int(byteCount))
                case .collect, .armAndCollect: operations.release(buffer)
                case .keep: keeps = true
                }
            case .sent, .closed: break
            }
            journal.record(event, bytes: bytes, keeps: keeps)
        }
        journal.turnEnded(
            batch: completions.count, freeBuffers: operations.freeBufferCount)
    }

    var nextDue: MonotonicTime? { journal.read { $0.due } }
}
