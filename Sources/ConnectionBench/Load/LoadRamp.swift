// A load client's ways up and down: connecting to a target, giving up, closing.

import ConnectionEngine

extension LoadClient {
    mutating func advanceRamp(
        _ now: MonotonicTime, _ operations: inout OperationQueue
    ) {
        let window = connectWindow(now)
        // A storm is submitted in parts: the first ones shall be on their way meanwhile.
        var budget = rampDue == nil ? Int.max : LoadClient.stormBatch
        while window > 0, open + opening < rampTarget, opening < window,
            nextTuple < plan.count, !report.gaveUp
        {
            let due = rampDue ?? connectSchedule?.next ?? now
            let start = max(due, pace.next ?? due)
            if start > now {
                nextDue = start
                break
            }
            if budget == 0 {
                nextDue = .zero
                break
            }
            guard connect(due: due, &operations) else { break }
            budget -= 1
            connectSchedule?.advance()
            pace.advance()
        }
        if failed > settings.failuresMax { report.gaveUp = true }
        if nextTuple == plan.count, opening == 0, open < rampTarget { report.gaveUp = true }
        if opening == 0, open >= rampTarget || report.gaveUp { finishCommand() }
    }

    private static var stormBatch: Int { 1_024 }

    /// Connects that may be on their way now; 0: none may be begun, and `nextDue` says when to look
    /// again.
    mutating func connectWindow(_ now: MonotonicTime) -> Int {
        pace.update(now)
        // Each worker has its share of the room in the queues.
        let windowMax = acceptLag.map { max(0, $0.room) / worker.count } ?? .max
        let wanted = rampDue == nil ? settings.connectWindow : .max
        let window = min(wanted, windowMax)
        let lags = window <= opening && windowMax < wanted
        let mustWait = lags || pace.isHeld
        nextDue = mustWait ? now.advanced(byNanoseconds: lags ? 200_000 : 5_000_000) : nil
        return mustWait ? 0 : window
    }

    /// Begins a connect with the next tuple.
    ///
    /// - Returns: whether it could be begun.
    mutating func connect(due: MonotonicTime, _ operations: inout OperationQueue) -> Bool {
        let tuple = plan[nextTuple]
        guard let id = operations.connect(from: source(of: tuple), to: tuple.destination)
        else { return false }
        nextTuple += 1
        opening += 1
        links.append(id, .opening(due: due))
        return true
    }

    func source(of tuple: TuplePlan.Tuple) -> SocketAddress? {
        switch settings.sourcePorts {
        case .planned: tuple.source
        case .kernel: nil
        case .bind: .loopback(port: 0)
        }
    }

    /// Newest first, and in batches, so that the memory of one is back before the next.
    mutating func advanceShed(_ operations: inout OperationQueue) {
        for _ in 0..<Shedding.batch {
            guard let (id, waiting) = shedding.next(&links) else { break }
            outstanding -= waiting
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

    mutating func advanceClose(_ operations: inout OperationQueue) {
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
}
