// The handler that performs one side of a scenario: completions in, steps of its scripts out.

#if !SIMULATION
    @testable import ConnectionEngine
#endif

/// Knows no thread and no clock but the batch's: it runs on engines as well as in a simulation.
struct ScriptHandler: Handler {
    private let side: Side
    private let performance: Performance
    private let meeting: Meeting
    /// What the client connects to, in turns.
    private let destinations: [SocketAddress]
    private let source: SocketAddress?
    private var runs: [ScriptRun] = []
    private var runOfID: [ConnectionID: Int] = [:]
    /// Connections that the client has asked for.
    private var openedCount = 0
    private(set) var nextDue: MonotonicTime? = .zero

    /// Nanoseconds after which it looks again for what brings no turn.
    private static let lookAgain: UInt64 = 250_000

    init(
        _ side: Side, _ performance: Performance, _ meeting: Meeting,
        destinations: [SocketAddress] = [], source: SocketAddress? = nil
    ) {
        self.side = side
        self.performance = performance
        self.meeting = meeting
        self.destinations = destinations
        self.source = source
    }

    mutating func start(_ operations: inout OperationQueue) {
        endTurn(operations)
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        let now = completions.reapedAt
        for position in 0..<completions.count {
            guard let run = heard(completions[position], &operations) else { continue }
            // One by one: whether two completions come in one turn is the backend's business.
            _ = runs[run].advance(at: now, &operations)
        }
        var due: MonotonicTime?
        if side == .client, openedCount < performance.scripts.count {
            openMore(&operations)
            if openedCount < performance.scripts.count {
                due = now.advanced(byNanoseconds: ScriptHandler.lookAgain)
            }
        }
        for position in runs.indices {
            switch runs[position].advance(at: now, &operations) {
            case .nothing, .completion: break
            case .another:
                let soon = now.advanced(byNanoseconds: ScriptHandler.lookAgain)
                due = min(due ?? soon, soon)
            case .time(let moment): due = min(due ?? moment, moment)
            }
        }
        nextDue = due
        endTurn(operations)
    }

    private func endTurn(_ operations: borrowing OperationQueue) {
        meeting.turnEnded(
            side, freeBuffers: operations.freeBufferCount,
            openConnections: Int(operations.table.openCount))
    }

    // MARK: Completions

    /// - Returns: the run that it concerns.
    private mutating func heard(
        _ completion: Completion, _ operations: inout OperationQueue
    ) -> Int? {
        let position: Int
        switch completion {
        case .accepted(let id):
            guard side == .server, let number = meeting.accept() else {
                meeting.violate("\(side): accepted \(id), and nobody asked")
                return nil
            }
            position = runs.count
            begin(number, id, steps: [])
            runs[position].opened(
                .accepted, steps: performance.scripts[number].steps(of: .server))
        case .connected(let id):
            guard let found = runOfID[id] else { return unknown(completion) }
            position = found
            meeting.connected()
            let number = runs[position].number
            runs[position].opened(
                .connected, steps: performance.scripts[number].steps(of: .client))
        case .received(let id, let buffer, let byteCount):
            guard let found = runOfID[id] else {
                operations.release(buffer)
                return unknown(completion)
            }
            position = found
            runs[position].received(buffer, byteCount: Int(byteCount), &operations)
        case .sent(let id):
            guard let found = runOfID[id] else { return unknown(completion) }
            position = found
            runs[position].answered()
        case .closed(let id, let reason):
            guard let found = runOfID.removeValue(forKey: id) else {
                return unknown(completion)
            }
            position = found
            if !runs[position].wasOpened { meeting.withdraw(runs[position].number) }
            runs[position].closed(reason, &operations)
        }
        return position
    }

    private func unknown(_ completion: Completion) -> Int? {
        meeting.violate("\(side): \(completion) of a connection that does not exist")
        return nil
    }

    private mutating func begin(_ number: Int, _ id: ConnectionID, steps: [Step]) {
        if runOfID.updateValue(runs.count, forKey: id) != nil {
            meeting.violate("\(side): \(id) names two connections")
        }
        runs.append(ScriptRun(side, number, id, steps: steps, performance, meeting))
    }

    // MARK: Opening

    private mutating func openMore(_ operations: inout OperationQueue) {
        while openedCount < performance.scripts.count, mayOpen {
            let destination = destinations[openedCount % destinations.count]
            guard let id = operations.connect(from: source, to: destination) else { return }
            if performance.scenario.target == .server { meeting.announce(openedCount) }
            begin(openedCount, id, steps: performance.scripts[openedCount].opening)
            openedCount += 1
        }
    }

    private var mayOpen: Bool {
        guard let last = runs.last else { return true }
        return switch performance.scenario.opening {
        case .inTurn: (last.wasOpened || last.isClosed) && meeting.hasNobodyWaiting
        case .afterEnd:
            last.isClosed
                && (!last.wasOpened || meeting.hasReached(.closed, .server, last.number))
        case .afterClosed: last.isClosed
        case .together: true
        }
    }
}
