// The client's handler: opens connections by plan, sends requests when they are due, checks every
// byte of every answer, and measures from the due time.

import ConnectionEngine

struct LoadClient: Handler, ~Copyable {
    enum Phase {
        case idle, ramp, probe, drain, churn, settle, sweep, shed, close
    }

    let plan: TuplePlan
    let settings: LoadSettings
    let mailbox: LoadMailbox
    let row: Scoreboard.Row
    /// Of `workers`; staggers the due times of the workers.
    let worker: (index: Int, count: Int)
    let acceptLag: AcceptLag?
    var pace: ConnectPace
    var shedding = Shedding()
    /// Connections that ended though nobody asked, by errno; 0: the server's orderly end. Since the
    /// last report.
    var losses: [Int32: Int] = [:]

    var links = LinkTable(indexLimit: 0, connectsMax: 0)

    var phase = Phase.idle
    var commandSeen = 0
    var report = LoadReport()
    var connectLatency = LatencyHistogram()
    var echoLatency = LatencyHistogram()

    var open = 0
    var opening = 0
    var opened = 0
    var closed = 0
    var failed = 0
    var lost = 0
    var echoes = 0
    var wrong = 0
    var outstanding = 0
    var nextTuple = 0
    var rampTarget = 0
    var connectSchedule: DueSchedule?
    /// When all connects of this ramp are due; `nil`: each in its turn.
    var rampDue: MonotonicTime?
    /// Connections that this ramp has made so far.
    var rampOpened = 0
    /// The next position in `links` to close.
    var cursor = 0
    var sweepLeft = 0
    var closesByReset = false

    let sizer: MessageSizer
    let loopsClosed: Bool
    var pipeline = Pipeline(depth: 1, indexLimit: 0)
    var requests = RequestSchedule()
    var active = ActiveSet()
    /// The next number in `active` to send to.
    var activeCursor = 0
    /// Requests of a closed loop that have no connection yet.
    var closedUnsent = 0
    var generator: GeneratorMeter
    var replacing = Replacing()
    var drainEnd = MonotonicTime.zero
    /// When `nextDue` must bring the next turn.
    var nextDue: MonotonicTime?

    init(
        plan: TuplePlan, settings: LoadSettings, mailbox: LoadMailbox, row: Scoreboard.Row,
        worker: (index: Int, count: Int), acceptLag: AcceptLag? = nil, board: Scoreboard? = nil
    ) {
        pace = ConnectPace(board: board, worker: worker)
        sizer = MessageSizer(settings.shape.messages, fixed: settings.messageByteCount)
        loopsClosed = settings.shape.loop == .closed
        generator = GeneratorMeter(hasThread: settings.workersAreThreads)
        self.plan = plan
        self.settings = settings
        self.mailbox = mailbox
        self.row = row
        self.worker = worker
        self.acceptLag = acceptLag
    }

    mutating func start(_ operations: inout OperationQueue) {
        links = LinkTable(
            indexLimit: operations.connectionIndexLimit, connectsMax: plan.count)
        pipeline = Pipeline(
            depth: settings.shape.pipelining, indexLimit: operations.connectionIndexLimit)
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        let now = completions.reapedAt
        if let due = nextDue { generator.turn(due: due, now) }
        for position in 0..<completions.count {
            switch completions[position] {
            case .connected(let id):
                connected(id, now)
                if settings.hearsEnds { operations.arm(id) }
            case .received(let id, let buffer, let byteCount):
                received(id, buffer, Int(byteCount), now, &operations)
            case .closed(let id, let reason): closed(id, reason, now)
            case .sent, .accepted: break
            }
        }
        if mailbox.newest != commandSeen { takeCommand(now) }
        advance(now, &operations)
        publish(operations)
    }

    // MARK: Commands

    private mutating func takeCommand(_ now: MonotonicTime) {
        guard let (number, command, unread) = mailbox.takeCommand() else { return }
        commandSeen = number
        links.closeGaps()
        // A ramp is cut short while other workers are in it, or wait for nothing any more.
        let untold = phase == .ramp ? report : unread
        report = LoadReport()
        losses.merge(unread?.losses ?? [:], uniquingKeysWith: +)
        echoLatency.reset()
        if case .shed = command, let untold {
            // What the ramp saw is told now.
            report.failures = untold.failures
            report.rampMarksNanoseconds = untold.rampMarksNanoseconds
        } else {
            connectLatency.reset()
        }
        switch command {
        case .ramp(let target, let allDue):
            phase = .ramp
            rampTarget = target
            rampOpened = 0
            rampDue = allDue.map { MonotonicTime(nanoseconds: $0) }
            connectSchedule =
                allDue == nil
                ? settings.connectsPerSecond.map {
                    DueSchedule(perSecond: $0, from: now, stagger: stagger)
                } : nil
        case .probe(let order):
            phase = .probe
            beginSending(order, drainSeconds: 2)
        case .churn(let order, let rate, let inOrder):
            phase = .churn
            // A connect that met a full queue comes back after 1, 3 and 7 seconds.
            beginSending(order, drainSeconds: 8)
            closesByReset = !inOrder
            replacing = Replacing(
                schedule: DueSchedule(
                    perSecond: rate, from: requests.measuresFrom, until: requests.end,
                    stagger: stagger), target: open)
        case .sweep:
            phase = .sweep
            cursor = 0
            sweepLeft = links.count
        case .shed(let target):
            phase = .shed
            rampTarget = target
            shedding.restart(links, open: open, opening: opening, target: target)
        case .close(let reset):
            phase = .close
            cursor = 0
            closesByReset = reset
        }
    }

    /// This worker's part of a shared interval: the workers' connects, and requests, interleave.
    var stagger: Double { Double(worker.index) / Double(worker.count) }

    mutating func finishCommand() {
        report.connectLatency = connectLatency.sparse
        report.echoLatency = echoLatency.sparse
        links.closeGaps()
        report.neverEchoed = links.neverEchoedCount
        report.losses = losses
        losses = [:]
        phase = .idle
        nextDue = nil
        mailbox.deliver(report)
        row[.commandDone] = commandSeen
    }

    // MARK: Phases

    private mutating func advance(_ now: MonotonicTime, _ operations: inout OperationQueue) {
        switch phase {
        case .idle: break
        case .ramp: advanceRamp(now, &operations)
        case .probe: advanceProbe(now, &operations)
        case .drain: advanceDrain(now)
        case .churn: advanceChurn(now, &operations)
        case .settle: settleChurn(now, &operations)
        case .sweep: advanceSweep(now, &operations)
        case .shed: advanceShed(&operations)
        case .close: advanceClose(&operations)
        }
    }

    private func publish(_ operations: borrowing OperationQueue) {
        row[.open] = open
        row[.opened] = opened
        row[.opening] = opening
        row[.closed] = closed
        row[.failed] = failed
        row[.lost] = lost
        row[.echoes] = echoes
        row[.wrong] = wrong
        row[.slotsInUse] = operations.connectionCount
        row[.buffersInUse] = operations.buffersInUse
    }
}
