// The client's handler: opens connections by plan, sends requests when they are due, checks every
// byte of every answer, and measures from the due time.

import ConnectionEngine

/// How a client works, the same in all phases of a run.
struct LoadSettings: Codable, Sendable {
    var messageByteCount = 64
    /// Connects on their way at once, per worker.
    var connectWindow = 256
    /// Connects per second, per worker; `nil`: as fast as they go.
    var connectsPerSecond: Double?
    /// Requests on their way at once in a sweep, per worker.
    var sweepWindow = 128
    /// Connects of one worker that may fail before it gives the ramp up.
    var failuresMax = 1_000
}

struct LoadClient: Handler, ~Copyable {
    /// A connection's state, 16 bytes.
    private struct Link: BitwiseCopyable {
        /// When the outstanding request was due; while opening, when the connect was; 0: none.
        var dueNanoseconds: UInt64
        /// Requests sent so far, in the low 30 bits, and two flags above.
        var bits: UInt32
        /// Bytes of the outstanding answer that have come.
        var received: UInt32

        var sequence: UInt32 { bits & 0x3fff_ffff }
        /// Its outstanding request was counted as censored: the answer is no longer measured.
        var isCensored: Bool {
            get { bits & 0x4000_0000 != 0 }
            set { bits = newValue ? bits | 0x4000_0000 : bits & ~0x4000_0000 }
        }
        var isOpen: Bool {
            get { bits & 0x8000_0000 != 0 }
            set { bits = newValue ? bits | 0x8000_0000 : bits & ~0x8000_0000 }
        }
    }

    private enum Phase {
        case idle, ramp, probe, drain, sweep, close
    }

    private let plan: TuplePlan
    private let settings: LoadSettings
    private let mailbox: LoadMailbox
    private let row: Scoreboard.Row
    /// Of `workers`; staggers the due times of the workers.
    private let worker: (index: Int, count: Int)

    private var links = ConnectionArray<Link>(count: 0)
    /// Every connection that was opened, in order; those that were lost stay, not open.
    private var order = ConnectionArray<ConnectionID>(count: 0)
    private var orderCount = 0

    private var phase = Phase.idle
    private var commandSeen = 0
    private var report = LoadReport()
    private var connectLatency = LatencyHistogram()
    private var echoLatency = LatencyHistogram()

    private var open = 0
    private var opening = 0
    private var opened = 0
    private var closed = 0
    private var failed = 0
    private var lost = 0
    private var echoes = 0
    private var wrong = 0
    private var outstanding = 0
    private var nextTuple = 0
    private var rampTarget = 0
    private var pacedFrom = MonotonicTime.zero
    private var pacedCount = 0
    /// The next position in `order` to send to, or to close.
    private var cursor = 0
    private var sweepLeft = 0
    private var closesByReset = false

    private var probeStart = MonotonicTime.zero
    private var probeEnd = MonotonicTime.zero
    private var drainEnd = MonotonicTime.zero
    private var dueIntervalNanoseconds = 0.0
    private var dueOffsetNanoseconds = 0.0
    private var dueCount = 0
    /// When `nextDue` must bring the next turn.
    private(set) var nextDue: MonotonicTime?

    init(
        plan: TuplePlan, settings: LoadSettings, mailbox: LoadMailbox, row: Scoreboard.Row,
        worker: (index: Int, count: Int)
    ) {
        self.plan = plan
        self.settings = settings
        self.mailbox = mailbox
        self.row = row
        self.worker = worker
    }

    mutating func start(_ operations: inout OperationQueue) {
        links = ConnectionArray(count: operations.connectionIndexLimit)
        order = ConnectionArray(count: plan.count)
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        let now = completions.reapedAt
        for position in 0..<completions.count {
            switch completions[position] {
            case .connected(let id): connected(id, now)
            case .received(let id, let buffer, let byteCount):
                received(id, buffer, Int(byteCount), now, &operations)
            case .closed(let id, let reason): closed(id, reason)
            case .sent, .accepted: break
            }
        }
        if mailbox.newest != commandSeen { takeCommand(now) }
        advance(now, &operations)
        publish()
    }

    // MARK: Completions

    private mutating func connected(_ id: ConnectionID, _ now: MonotonicTime) {
        opening -= 1
        open += 1
        opened += 1
        let index = Int(id.index)
        connectLatency.record(now.nanoseconds &- links[index].dueNanoseconds)
        links[index] = Link(dueNanoseconds: 0, bits: 0x8000_0000, received: 0)
        order[orderCount] = id
        orderCount += 1
        if opened % 1_000 == 0 { report.rampMarksNanoseconds.append(now.nanoseconds) }
        row[.lastOpenAt] = Int(now.nanoseconds)
    }

    private mutating func received(
        _ id: ConnectionID, _ buffer: Buffer, _ byteCount: Int, _ now: MonotonicTime,
        _ operations: inout OperationQueue
    ) {
        let index = Int(id.index)
        var link = links[index]
        let pattern = MessagePattern(connection: id.index, sequence: link.sequence)
        let start = Int(link.received)
        let isExpected =
            link.dueNanoseconds != 0 && start + byteCount <= settings.messageByteCount
            && operations.withBytes(of: buffer, byteCount: byteCount) {
                pattern.matches($0, from: start)
            }
        operations.release(buffer)
        guard isExpected else {
            // From here on its stream means nothing.
            wrong += 1
            operations.abort(id)
            return
        }
        link.received += UInt32(byteCount)
        if Int(link.received) < settings.messageByteCount {
            links[index] = link
            operations.armOnce(id)
            return
        }
        echoes += 1
        outstanding -= 1
        if !link.isCensored { answered(now.nanoseconds &- link.dueNanoseconds) }
        link.isCensored = false
        link.dueNanoseconds = 0
        links[index] = link
    }

    private mutating func answered(_ nanoseconds: UInt64) {
        echoLatency.record(nanoseconds)
        report.answered += 1
    }

    private mutating func closed(_ id: ConnectionID, _ reason: CloseReason) {
        let index = Int(id.index)
        if !links[index].isOpen {
            opening -= 1
            failed += 1
            if case .failed(let errno) = reason {
                report.failures[errno.code, default: 0] += 1
                row[.lastError] = Int(errno.code)
            }
            return
        }
        if links[index].dueNanoseconds != 0 { outstanding -= 1 }
        links[index] = Link(dueNanoseconds: 0, bits: 0, received: 0)
        open -= 1
        closed += 1
        if phase != .close {
            lost += 1
            if case .failed(let errno) = reason { row[.lastError] = Int(errno.code) }
        }
    }

    // MARK: Commands

    private mutating func takeCommand(_ now: MonotonicTime) {
        commandSeen = mailbox.newest
        guard let command = mailbox.takeCommand() else { return }
        report = LoadReport()
        connectLatency.reset()
        echoLatency.reset()
        switch command {
        case .ramp(let target):
            phase = .ramp
            rampTarget = min(target, plan.count)
            pacedFrom = now
            pacedCount = 0
            if row[.firstOpenAt] == 0 { row[.firstOpenAt] = Int(now.nanoseconds) }
        case .probe(let rate, let start, let duration):
            phase = .probe
            probeStart = MonotonicTime(nanoseconds: start)
            probeEnd = probeStart.advanced(byNanoseconds: duration)
            drainEnd = probeEnd.advanced(byNanoseconds: 2_000_000_000)
            dueIntervalNanoseconds = 1e9 / max(rate, 1e-6)
            // The workers' requests interleave evenly.
            dueOffsetNanoseconds =
                dueIntervalNanoseconds * Double(worker.index) / Double(worker.count)
            dueCount = 0
        case .sweep:
            phase = .sweep
            cursor = 0
            sweepLeft = orderCount
        case .close:
            phase = .close
            cursor = 0
            closesByReset = if case .close(let reset) = command { reset } else { false }
        }
    }

    private mutating func finishCommand() {
        report.connectLatency = connectLatency.sparse
        report.echoLatency = echoLatency.sparse
        report.neverEchoed = countNeverEchoed()
        phase = .idle
        nextDue = nil
        mailbox.deliver(report)
        row[.commandDone] = commandSeen
    }

    private func countNeverEchoed() -> Int {
        (0..<orderCount).count { position in
            let id = order[position]
            let link = links[Int(id.index)]
            return link.isOpen && (link.sequence == 0 || link.dueNanoseconds != 0)
        }
    }

    // MARK: Phases

    private mutating func advance(_ now: MonotonicTime, _ operations: inout OperationQueue) {
        switch phase {
        case .idle: break
        case .ramp: advanceRamp(now, &operations)
        case .probe: advanceProbe(now, &operations)
        case .drain: advanceDrain(now)
        case .sweep: advanceSweep(now, &operations)
        case .close: advanceClose(&operations)
        }
    }

    private mutating func advanceRamp(
        _ now: MonotonicTime, _ operations: inout OperationQueue
    ) {
        nextDue = nil
        while open + opening < rampTarget, opening < settings.connectWindow,
            nextTuple < plan.count, !report.gaveUp
        {
            var due = now
            if let rate = settings.connectsPerSecond {
                due = pacedFrom.advanced(byNanoseconds: UInt64(Double(pacedCount) / rate * 1e9))
                if due > now {
                    nextDue = due
                    break
                }
            }
            let tuple = plan[nextTuple]
            guard let id = operations.connect(from: tuple.source, to: tuple.destination)
            else { break }
            nextTuple += 1
            pacedCount += 1
            opening += 1
            links[Int(id.index)] = Link(
                dueNanoseconds: due.nanoseconds, bits: 0, received: 0)
        }
        if failed > settings.failuresMax { report.gaveUp = true }
        if nextTuple == plan.count, opening == 0, open < rampTarget { report.gaveUp = true }
        if opening == 0, open >= rampTarget || report.gaveUp { finishCommand() }
    }

    private mutating func advanceProbe(
        _ now: MonotonicTime, _ operations: inout OperationQueue
    ) {
        while true {
            let due = dueTime(dueCount)
            if due >= probeEnd {
                if now >= probeEnd {
                    report.due = dueCount
                    phase = .drain
                    nextDue = drainEnd
                    return advanceDrain(now)
                }
                nextDue = probeEnd
                return
            }
            if due > now {
                nextDue = due
                return
            }
            guard sendToNext(due, &operations) else {
                // No connection or buffer is free: the request stays due, and its latency grows.
                // Answers bring turns; without any, the end of the probe does.
                if now >= probeEnd {
                    censorUnsent(now)
                    phase = .drain
                    nextDue = drainEnd
                    return advanceDrain(now)
                }
                nextDue = probeEnd
                return
            }
            dueCount += 1
        }
    }

    private func dueTime(_ number: Int) -> MonotonicTime {
        probeStart.advanced(
            byNanoseconds: UInt64(dueOffsetNanoseconds + dueIntervalNanoseconds * Double(number)))
    }

    /// Requests that were due and could not even be sent count with the time they have waited.
    private mutating func censorUnsent(_ now: MonotonicTime) {
        var number = dueCount
        while dueTime(number) < probeEnd {
            echoLatency.record(now.nanoseconds &- dueTime(number).nanoseconds)
            report.censored += 1
            number += 1
        }
        report.due = number
    }

    private mutating func advanceDrain(_ now: MonotonicTime) {
        if outstanding > 0 && now < drainEnd { return }
        if outstanding > 0 {
            for position in 0..<orderCount {
                let index = Int(order[position].index)
                let link = links[index]
                guard link.isOpen, link.dueNanoseconds != 0, !link.isCensored else { continue }
                echoLatency.record(now.nanoseconds &- link.dueNanoseconds)
                report.censored += 1
                links[index].isCensored = true
            }
        }
        finishCommand()
    }

    private mutating func advanceSweep(
        _ now: MonotonicTime, _ operations: inout OperationQueue
    ) {
        nextDue = nil
        while sweepLeft > 0, outstanding < settings.sweepWindow {
            let id = order[orderCount - sweepLeft]
            let link = links[Int(id.index)]
            if link.isOpen, link.dueNanoseconds == 0 {
                guard send(id, due: now, &operations) else { break }
            }
            sweepLeft -= 1
        }
        if sweepLeft == 0, outstanding == 0 { finishCommand() }
    }

    private mutating func advanceClose(_ operations: inout OperationQueue) {
        var budget = 256
        while cursor < orderCount, budget > 0 {
            let id = order[cursor]
            cursor += 1
            guard links[Int(id.index)].isOpen else { continue }
            budget -= 1
            if closesByReset { operations.abort(id) } else { operations.close(id) }
        }
        // More to close: another turn at once, after what was asked for has been submitted.
        nextDue = cursor < orderCount ? .zero : nil
        if cursor == orderCount, open == 0 {
            orderCount = 0
            finishCommand()
        }
    }

    // MARK: Sending

    /// Sends to the next connection in turn that has no request outstanding.
    private mutating func sendToNext(
        _ due: MonotonicTime, _ operations: inout OperationQueue
    ) -> Bool {
        // A bounded search: with most connections busy the load is too high anyway.
        for _ in 0..<min(orderCount, 64) {
            if cursor >= orderCount { cursor = 0 }
            let id = order[cursor]
            let link = links[Int(id.index)]
            if link.isOpen, link.dueNanoseconds == 0 {
                guard send(id, due: due, &operations) else { return false }
                cursor += 1
                return true
            }
            cursor += 1
        }
        return false
    }

    private mutating func send(
        _ id: ConnectionID, due: MonotonicTime, _ operations: inout OperationQueue
    ) -> Bool {
        // Half of the buffers stay free for the answers.
        guard operations.freeBufferCount > 8, let buffer = operations.takeBuffer()
        else { return false }
        let index = Int(id.index)
        let sequence = (links[index].sequence + 1) & 0x3fff_ffff
        let pattern = MessagePattern(connection: id.index, sequence: sequence)
        operations.withMutableBytes(of: buffer, byteCount: settings.messageByteCount) {
            pattern.fill(&$0)
        }
        links[index] = Link(
            dueNanoseconds: due.nanoseconds, bits: 0x8000_0000 | sequence, received: 0)
        outstanding += 1
        report.sent += 1
        operations.send(id, buffer, byteCount: settings.messageByteCount)
        operations.armOnce(id)
        return true
    }

    private func publish() {
        row[.open] = open
        row[.opened] = opened
        row[.closed] = closed
        row[.failed] = failed
        row[.lost] = lost
        row[.echoes] = echoes
        row[.wrong] = wrong
        row[.inFlight] = phase == .ramp ? opening : outstanding
    }
}
