// A load client's ways up and down: connecting to a target, giving up, closing.

import ConnectionEngine

extension LoadClient {
    mutating func advanceRamp(
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
