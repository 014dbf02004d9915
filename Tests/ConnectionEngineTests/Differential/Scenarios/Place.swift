// Where scenarios are performed: whatever can run two handlers against each other.

// This folder can be compiled into a module that has an engine of its own (a simulation): no file in
// it knows the test library, and none but these lines name the engine's module.
#if !SIMULATION
    import ConnectionEngine
#endif

/// Something that runs a client's and a server's handler against each other.
protocol Place: Sendable, CustomStringConvertible {
    /// Runs both handlers until `meeting.isDone`, and a little longer, so that what must not come has
    /// its chance to come.
    ///
    /// - Returns: both sides' counters, and whether it gave up waiting.
    func perform(
        _ performance: Performance, _ meeting: Meeting
    ) throws -> (counters: [Side: Counters], isStuck: Bool)

    /// Buffers that a side may still hold when everything is closed.
    func buffersHeldBack(_ side: Side, _ setting: Setting) -> Int
}

/// Performs a scenario, with everything that it leaves open drawn from `seed`.
func run(_ scenario: Scenario, seed: UInt64, on place: some Place) throws -> Outcome {
    let performance = Performance(scenario, seed: seed)
    let meeting = Meeting(performance)
    let (counters, isStuck) = try place.perform(performance, meeting)
    var outcome = meeting.outcome { place.buffersHeldBack($0, performance.setting) }
    outcome.counters = counters
    outcome.isStuck = isStuck
    if !isStuck { outcome.checkSums(scenario) }
    return outcome
}

extension Outcome {
    /// What the counters of a single run must agree on.
    mutating func checkSums(_ scenario: Scenario) {
        guard let client = counters[.client], let server = counters[.server] else { return }
        for (side, counters) in [(Side.client, client), (Side.server, server)]
        where !scenario.freedom(of: side).everything {
            let opened = traces[side, default: []].joined().count {
                $0 == .accepted || $0 == .connected
            }
            let closed = traces[side, default: []].joined().count {
                if case .closed = $0 { true } else { false }
            }
            if counters.accepted + counters.connected != UInt64(opened) {
                violations.append("\(side): \(opened) were opened, counted \(counters)")
            }
            if counters.closed != UInt64(closed) {
                violations.append("\(side): \(closed) were closed, counted \(counters.closed)")
            }
            if counters.completionsDropped != 0 || counters.acceptTableFull != 0 {
                violations.append("\(side): completions or clients were lost: \(counters)")
            }
        }
        if server.bytesReceived > client.bytesSent || client.bytesReceived > server.bytesSent {
            violations.append("more bytes came than were sent")
        }
    }
}
