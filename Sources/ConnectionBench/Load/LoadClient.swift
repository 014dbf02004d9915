// The client's handler: opens connections by plan, sends requests when they are due, checks every
// byte of every answer, and measures from the due time.

import ConnectionEngine

struct LoadClient: Handler, ~Copyable {
    private enum Phase {
        case idle, ramp, probe, drain, sweep, shed, close
    }

    private let plan: TuplePlan
    private let settings: LoadSettings
    private let mailbox: LoadMailbox
    private let row: Scoreboard.Row
    /// Of `workers`; staggers the due times of the workers.
    private let worker: (index: Int, count: Int)
    private let acceptLag: AcceptLag?
    private var pace: ConnectPace
    private var shedding = Shedding()
    /// Connections that ended though nobody asked, by errno; 0: the server's orderly end. Since the
    /// last report.
    private var losses: [Int32: Int] = [:]

    private var links = LinkTable(indexLimit: 0, connectsMax: 0)

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
    private var connectSchedule: DueSchedule?
    /// Connections that this ramp has made so far.
    private var rampOpened = 0
    /// The next position in `links` to send to, or to close.
    private var cursor = 0
    private var sweepLeft = 0
    private var closesByReset = false

    private var probeSchedule = DueSchedule(perSecond: 0, from: .zero, stagger: 0)
    private var drainEnd = MonotonicTime.zero
    /// When `nextDue` must bring the next turn.
    private(set) var nextDue: MonotonicTime?

    init(
        plan: TuplePlan, settings: LoadSettings, mailbox: LoadMailbox, row: Scoreboard.Row,
        worker: (index: Int, count: Int), acceptLag: AcceptLag? = nil, board: Scoreboard? = nil
    ) {
        pace = ConnectPace(board: board, worker: worker)
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
            case .closed(let id, let reason): closed(id, reason, now)
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
        if links[id].isShed {
            // It was given up in the same moment; its end is on its way.
            links[id] = .idle
            links[id].shed()
            return
        }
        connectLatency.record(now.nanoseconds(since: links[id].due))
        links[id] = .idle
        rampOpened += 1
        if rampOpened % LoadReport.rampMarkInterval(workers: worker.count) == 0 {
            report.rampMarksNanoseconds.append(now.nanoseconds)
        }
        row[.lastOpenAt] = Int(now.nanoseconds)
    }

    private mutating func received(
        _ id: ConnectionID, _ buffer: Buffer, _ byteCount: Int, _ now: MonotonicTime,
        _ operations: inout OperationQueue
    ) {
        var link = links[id]
        if link.isShed { return operations.release(buffer) }
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
            links[id] = link
            operations.armOnce(id)
            return
        }
        echoes += 1
        outstanding -= 1
        if !link.isCensored {
            echoLatency.record(now.nanoseconds(since: link.due))
            row.latency.record(now.nanoseconds(since: link.due))
            report.answered += 1
        }
        link.isCensored = false
        link.dueNanoseconds = 0
        links[id] = link
    }

    private mutating func closed(
        _ id: ConnectionID, _ reason: CloseReason, _ now: MonotonicTime
    ) {
        let link = links[id]
        links.remove(id)
        if link.isShed { shedding.inFlight -= 1 }
        // Connections end because this client ends them.
        let wasAsked = phase == .close || link.isShed
        if !link.isOpen {
            opening -= 1
            if !wasAsked { connectFailed(reason) }
            return
        }
        open -= 1
        closed += 1
        if link.dueNanoseconds != 0, !link.isShed {
            outstanding -= 1
            // Its answer will never come: it has waited at least until now.
            if phase == .probe || phase == .drain, !link.isCensored {
                censor(link.due, now)
            }
        }
        if !wasAsked {
            lost += 1
            var code: CInt = 0
            if case .failed(let errno) = reason { code = errno.code }
            if code != 0 { row[.lastError] = Int(code) }
            losses[code, default: 0] += 1
        }
    }

    private mutating func connectFailed(_ reason: CloseReason) {
        failed += 1
        guard case .failed(let errno) = reason else { return }
        report.failures[errno.code, default: 0] += 1
        row[.lastError] = Int(errno.code)
    }

    private mutating func censor(_ due: MonotonicTime, _ now: MonotonicTime) {
        echoLatency.record(now.nanoseconds(since: due))
        report.censored += 1
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
        case .ramp(let target):
            phase = .ramp
            rampTarget = target
            rampOpened = 0
            connectSchedule = settings.connectsPerSecond.map {
                DueSchedule(perSecond: $0, from: now, stagger: stagger)
            }
        case .probe(let rate, let start, let duration):
            phase = .probe
            let start = MonotonicTime(nanoseconds: start)
            let end = start.advanced(byNanoseconds: duration)
            probeSchedule = DueSchedule(
                perSecond: rate, from: start, until: end, stagger: stagger)
            drainEnd = end.advanced(byNanoseconds: 2_000_000_000)
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
    private var stagger: Double { Double(worker.index) / Double(worker.count) }

    private mutating func finishCommand() {
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
        case .sweep: advanceSweep(now, &operations)
        case .shed: advanceShed(&operations)
        case .close: advanceClose(&operations)
        }
    }

    private mutating func advanceRamp(
        _ now: MonotonicTime, _ operations: inout OperationQueue
    ) {
        pace.update(now)
        // Each worker has its share of the room in the queues.
        let windowMax = acceptLag.map { max(0, $0.room) / worker.count } ?? .max
        let window = min(settings.connectWindow, windowMax)
        let lags = window <= opening && windowMax < settings.connectWindow
        let mustWait = lags || pace.isHeld
        nextDue = mustWait ? now.advanced(byNanoseconds: lags ? 200_000 : 5_000_000) : nil
        while !mustWait, open + opening < rampTarget, opening < window,
            nextTuple < plan.count, !report.gaveUp
        {
            let due = connectSchedule?.next ?? now
            let start = max(due, pace.next ?? due)
            if start > now {
                nextDue = start
                break
            }
            let tuple = plan[nextTuple]
            guard let id = operations.connect(from: source(of: tuple), to: tuple.destination)
            else { break }
            nextTuple += 1
            connectSchedule?.advance()
            pace.advance()
            opening += 1
            links.append(id, .opening(due: due))
        }
        if failed > settings.failuresMax { report.gaveUp = true }
        if nextTuple == plan.count, opening == 0, open < rampTarget { report.gaveUp = true }
        if opening == 0, open >= rampTarget || report.gaveUp { finishCommand() }
    }

    private func source(of tuple: TuplePlan.Tuple) -> SocketAddress? {
        switch settings.sourcePorts {
        case .planned: tuple.source
        case .kernel: nil
        case .bind: .loopback(port: 0)
        }
    }

    private mutating func advanceProbe(
        _ now: MonotonicTime, _ operations: inout OperationQueue
    ) {
        while let due = probeSchedule.next, due <= now {
            // No connection or buffer is free: the request stays due, and its latency grows.
            guard sendToNext(due, &operations) else { break }
            probeSchedule.advance()
        }
        if now < probeSchedule.end {
            // Answers bring turns to what could not be sent; without any, the end does.
            let due = probeSchedule.next ?? probeSchedule.end
            nextDue = due > now ? due : probeSchedule.end
            return
        }
        // Requests that were due and could not even be sent count with the time they have waited.
        while let due = probeSchedule.next {
            censor(due, now)
            probeSchedule.advance()
        }
        report.due = probeSchedule.count
        phase = .drain
        nextDue = drainEnd
        advanceDrain(now)
    }

    private mutating func advanceDrain(_ now: MonotonicTime) {
        if outstanding > 0 && now < drainEnd { return }
        if outstanding > 0 {
            for position in 0..<links.count {
                let id = links.id(at: position)
                let link = links[id]
                guard link.isOpen, link.dueNanoseconds != 0, !link.isCensored, !link.isShed
                else { continue }
                censor(link.due, now)
                links[id].isCensored = true
            }
        }
        finishCommand()
    }

    private mutating func advanceSweep(
        _ now: MonotonicTime, _ operations: inout OperationQueue
    ) {
        nextDue = nil
        while sweepLeft > 0, outstanding < settings.sweepWindow {
            let id = links.id(at: links.count - sweepLeft)
            if links[id].isIdle {
                guard send(id, due: now, &operations) else { break }
            }
            sweepLeft -= 1
        }
        if sweepLeft == 0, outstanding == 0 { finishCommand() }
    }

    /// Newest first, and in batches, so that the memory of one is back before the next.
    private mutating func advanceShed(_ operations: inout OperationQueue) {
        for _ in 0..<Shedding.batch {
            guard let (id, wasWaiting) = shedding.next(&links) else { break }
            if wasWaiting { outstanding -= 1 }
            operations.abort(id)
        }
        if shedding.hasScanned, shedding.inFlight == 0 {
            // A connect may have succeeded before its turn to be given up came.
            if open > rampTarget, links.count > 0 {
                shedding.restart(links, open: open, opening: opening, target: rampTarget)
            } else {
                return finishCommand()
            }
        }
        nextDue = shedding.hasScanned ? nil : .zero
    }

    private mutating func advanceClose(_ operations: inout OperationQueue) {
        var budget = 256
        while cursor < links.count, budget > 0 {
            let id = links.id(at: cursor)
            let link = links[id]
            cursor += 1
            guard link.isOpen || link.isOpening else { continue }
            budget -= 1
            // A connect that is still on its way may be so for minutes: there is nothing to end in
            // order yet.
            if closesByReset || link.isOpening {
                operations.abort(id)
            } else {
                operations.close(id)
            }
        }
        // More to close: another turn at once, after what was asked for has been submitted.
        nextDue = cursor < links.count ? .zero : nil
        if cursor == links.count, open == 0, opening == 0 {
            links.removeAll()
            finishCommand()
        }
    }

    // MARK: Sending

    /// Sends to the next connection in turn that has no request outstanding.
    private mutating func sendToNext(
        _ due: MonotonicTime, _ operations: inout OperationQueue
    ) -> Bool {
        // A bounded search: with most connections busy the load is too high anyway.
        for _ in 0..<min(links.count, 64) {
            if cursor >= links.count { cursor = 0 }
            let id = links.id(at: cursor)
            if links[id].isIdle {
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
        // A few buffers stay free for the answers.
        guard operations.freeBufferCount > 8, let buffer = operations.takeBuffer()
        else { return false }
        let link = links[id].asking(due: due)
        let pattern = MessagePattern(connection: id.index, sequence: link.sequence)
        operations.withMutableBytes(of: buffer, byteCount: settings.messageByteCount) {
            pattern.fill(&$0)
        }
        links[id] = link
        outstanding += 1
        report.sent += 1
        operations.send(id, buffer, byteCount: settings.messageByteCount)
        operations.armOnce(id)
        return true
    }

    private func publish() {
        row[.open] = open
        row[.opened] = opened
        row[.opening] = opening
        row[.closed] = closed
        row[.failed] = failed
        row[.lost] = lost
        row[.echoes] = echoes
        row[.wrong] = wrong
    }
}
