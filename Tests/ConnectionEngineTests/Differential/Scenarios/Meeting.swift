// Where the handlers of both sides meet: marks that they wait for, traces, and the end of a run.

#if !SIMULATION
    @testable import ConnectionEngine
#endif

/// Shared by both sides' handlers, which may run in one thread (simulation) or in many.
final class Meeting: @unchecked Sendable {
    private struct State {
        var marks: [Side: [Set<Mark>]]
        var outcome = Outcome()
        /// Connections that the client asked for and the server has not accepted, oldest first.
        var announced: [Int] = []
        var acceptedCount = 0
        var connectedCount = 0
        var overCount: [Side: Int] = [.client: 0, .server: 0]
        var freeAtStart: [Side: Int] = [:]
        var freeNow: [Side: Int] = [:]
        var openNow: [Side: Int] = [:]
    }

    private let lock = Lock()
    private var locked: State
    private let count: Int
    private let expectsAccepts: Bool

    init(_ performance: Performance) {
        count = performance.scripts.count
        expectsAccepts = !performance.scenario.server.everything
        let none = Array(repeating: Set<Mark>(), count: count)
        let empty = Array(repeating: [Entry](), count: count)
        var state = State(marks: [.client: none, .server: none])
        state.outcome.traces = [.client: empty, .server: empty]
        locked = state
    }

    private func withState<Result>(_ body: (inout State) -> Result) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return body(&locked)
    }

    // MARK: Marks

    func reach(_ mark: Mark, _ side: Side, _ number: Int) {
        withState { _ = $0.marks[side]?[number].insert(mark) }
    }

    /// A side that has ended reaches nothing any more: nobody is to wait for it.
    func hasReached(_ mark: Mark, _ side: Side, _ number: Int) -> Bool {
        withState { state in
            guard let marks = state.marks[side]?[number] else { return false }
            return marks.contains(mark) || marks.contains(.closed)
        }
    }

    // MARK: Opening

    /// The client has asked for this connection.
    func announce(_ number: Int) {
        withState { $0.announced.append(number) }
    }

    /// The client's connect has succeeded.
    func connected() {
        withState { $0.connectedCount += 1 }
    }

    /// The client's connect has failed, or was given up: nobody is to be accepted for it. (Where it
    /// may have succeeded all the same, the scenario does not compare the server.)
    func withdraw(_ number: Int) {
        if !expectsAccepts { return }
        withState { $0.announced.removeAll { $0 == number } }
    }

    /// The number of the connection that the server has accepted; `nil` when nobody asked for one.
    func accept() -> Int? {
        withState { state in
            if state.announced.isEmpty { return nil }
            state.acceptedCount += 1
            return state.announced.removeFirst()
        }
    }

    var hasNobodyWaiting: Bool { withState { $0.announced.isEmpty } }

    // MARK: The run's end

    /// A side's script of one connection has come to its end.
    func scriptIsOver(_ side: Side) {
        withState { $0.overCount[side, default: 0] += 1 }
    }

    /// Whether both sides have nothing left to do.
    var isDone: Bool {
        withState { state in
            state.overCount[.client] == count && state.overCount[.server] == state.acceptedCount
                && (!expectsAccepts || state.acceptedCount >= state.connectedCount)
        }
    }

    // MARK: Writing down

    func record(_ entry: Entry, _ side: Side, _ number: Int) {
        withState { $0.outcome.traces[side]?[number].append(entry) }
    }

    func violate(_ what: String) {
        withState { state in
            if state.outcome.violations.count < 20 { state.outcome.violations.append(what) }
        }
    }

    /// After each turn: buffers that are free and connections that are not.
    func turnEnded(_ side: Side, freeBuffers: Int, openConnections: Int) {
        withState { state in
            if state.freeAtStart[side] == nil { state.freeAtStart[side] = freeBuffers }
            state.freeNow[side] = freeBuffers
            state.openNow[side] = openConnections
        }
    }

    /// - Parameter heldBack: buffers that a backend may keep for itself.
    func outcome(heldBack: (Side) -> Int) -> Outcome {
        withState { state in
            var outcome = state.outcome
            for side in Side.allCases where side == .client || expectsAccepts {
                let start = state.freeAtStart[side] ?? 0
                let now = state.freeNow[side] ?? 0
                if now > start || now + heldBack(side) < start {
                    outcome.violations.append("\(side): \(start) buffers at first, \(now) at last")
                }
                if let open = state.openNow[side], open != 0 {
                    outcome.violations.append("\(side): \(open) slots in use at last")
                }
            }
            return outcome
        }
    }
}
