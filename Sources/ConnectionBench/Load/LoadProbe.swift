// A load client's requests: by a schedule or in a closed loop in a probe, once on every connection
// in a sweep.

import ConnectionEngine

extension LoadClient {
    enum Sending {
        case sent
        /// Every connection that was looked at is busy.
        case noConnection
        case noBuffer
    }

    var isProbing: Bool {
        switch phase {
        case .probe, .drain, .churn, .settle: true
        case .idle, .ramp, .sweep, .shed, .close: false
        }
    }

    /// Answers bring the next requests.
    var isClosedLoop: Bool {
        loopsClosed && (phase == .probe || phase == .churn)
    }

    // MARK: A probe

    mutating func beginSending(_ order: ProbeOrder, drainSeconds: UInt64) {
        requests = RequestSchedule(
            order, shape: settings.shape, stagger: stagger,
            random: RandomWords(seed: settings.seed, worker: worker.index, phase: commandSeen))
        drainEnd = requests.end.advanced(byNanoseconds: drainSeconds * 1_000_000_000)
        active = ActiveSet(order.activeConnections ?? links.count, of: links.count)
        closedUnsent =
            loopsClosed ? active.size * settings.shape.pipelining : 0
        generator.reset()
        // The further connections of a ramp moved the busy ones to other places.
        if active.size < links.count { activeCursor = 0 }
    }

    mutating func advanceProbe(
        _ now: MonotonicTime, _ operations: inout OperationQueue
    ) {
        // Without a busy connection of its own a worker has nothing to wait for.
        let offersNothing = loopsClosed ? active.size == 0 : requests.isEmpty
        guard now < requests.end, !offersNothing else {
            endSending(now, &operations)
            phase = .drain
            return advanceDrain(now)
        }
        sendDue(now, &operations)
    }

    /// Sends what is due, and says when the next turn is.
    mutating func sendDue(_ now: MonotonicTime, _ operations: inout OperationQueue) {
        if now >= requests.measuresFrom { generator.begin(now) }
        nextDue = now < requests.start ? requests.start : requests.end
        if now < requests.start { return }
        if loopsClosed {
            while closedUnsent > 0 {
                let isMeasured = now >= requests.measuresFrom
                guard sendToNext(now, isMeasured, &operations) == .sent else { return }
                closedUnsent -= 1
            }
            if now < requests.measuresFrom { nextDue = requests.measuresFrom }
            return
        }
        let hasWaited = generator.isBlocked
        generator.isBlocked = false
        while let (due, isMeasured) = requests.next {
            guard due <= now else {
                nextDue = due
                return
            }
            switch sendToNext(due, isMeasured, &operations) {
            case .sent:
                requests.advance()
                if isMeasured { generator.sent(due: due, now, hasWaited: hasWaited) }
            case .noConnection:
                // It stays due, and its latency grows. Answers bring turns; without any, the end
                // does.
                generator.isBlocked = true
                return
            case .noBuffer: return
            }
        }
    }

    /// In a closed loop: the answer has come.
    mutating func sendAgain(
        _ id: ConnectionID, _ now: MonotonicTime, _ operations: inout OperationQueue
    ) {
        guard now < requests.end else { return }
        let isMeasured = now >= requests.measuresFrom
        if !send(id, due: now, isMeasured: isMeasured, &operations) { closedUnsent += 1 }
    }

    mutating func endSending(_ now: MonotonicTime, _ operations: inout OperationQueue) {
        generator.begin(now)
        // A turn that comes late sends what was due before the end all the same.
        if !loopsClosed { sendDue(now, &operations) }
        generator.end(now)
        // Requests that were due and could not even be sent count with the time they have waited.
        while let due = requests.takeMeasured() {
            censor(due, now)
            generator.neverSent(due: due, now)
        }
        report.due = loopsClosed ? report.sent : requests.measuredCount
        report.generator = generator.report
        generator.reset()
    }

    mutating func advanceDrain(_ now: MonotonicTime) {
        if outstanding > 0 && now < drainEnd { return nextDue = drainEnd }
        censorOutstanding(now)
        finishCommand()
    }

    mutating func censorOutstanding(_ now: MonotonicTime) {
        guard outstanding > 0 else { return }
        for position in 0..<links.count {
            let id = links.id(at: position)
            let link = links[id]
            guard link.isOpen, !link.isShed, link.outstanding > 0 else { continue }
            for number in 0..<link.outstanding {
                if let due = pipeline.measuredDue(id, link, number) { censor(due, now) }
            }
            pipeline.stopMeasuring(id, &links[id])
        }
    }

    // MARK: A sweep

    mutating func advanceSweep(
        _ now: MonotonicTime, _ operations: inout OperationQueue
    ) {
        nextDue = nil
        while sweepLeft > 0, outstanding < settings.sweepWindow {
            let id = links.id(at: links.count - sweepLeft)
            if links[id].isIdle {
                guard send(id, due: now, isMeasured: true, &operations) else { break }
            }
            sweepLeft -= 1
        }
        if sweepLeft == 0, outstanding == 0 { finishCommand() }
    }

    // MARK: Sending

    /// Sends to the next busy connection in turn that has room for a request.
    private mutating func sendToNext(
        _ due: MonotonicTime, _ isMeasured: Bool, _ operations: inout OperationQueue
    ) -> Sending {
        // A bounded search: with most connections busy the load is too high anyway.
        for _ in 0..<min(active.size, 64) {
            if active.position(activeCursor) >= links.count {
                activeCursor = active.number(from: phase == .churn ? replacing.front : 0)
            }
            let position = active.position(activeCursor)
            guard position < links.count else { return .noConnection }
            let id = links.id(at: position)
            // In a churn a place may be one whose index has a newer connection.
            if links[id].canTake(depth: pipeline.depth),
                phase != .churn || operations.holds(id)
            {
                guard send(id, due: due, isMeasured: isMeasured, &operations) else {
                    return .noBuffer
                }
                activeCursor += 1
                return .sent
            }
            activeCursor += 1
        }
        return .noConnection
    }

    private mutating func send(
        _ id: ConnectionID, due: MonotonicTime, isMeasured: Bool,
        _ operations: inout OperationQueue
    ) -> Bool {
        // A few buffers stay free for the answers.
        guard operations.freeBufferCount > 8, let buffer = operations.takeBuffer()
        else { return false }
        var link = links[id]
        pipeline.push(id, &link, due: due, isMeasured: isMeasured)
        links[id] = link
        let pattern = MessagePattern(connection: id.index, sequence: link.sequence)
        let byteCount = sizer.byteCount(pattern)
        operations.withMutableBytes(of: buffer, byteCount: byteCount) { pattern.fill(&$0) }
        outstanding += 1
        if isMeasured { report.sent += 1 }
        operations.send(id, buffer, byteCount: byteCount)
        // With a request outstanding it is armed already.
        if link.outstanding == 1 { operations.armOnce(id) }
        return true
    }
}
