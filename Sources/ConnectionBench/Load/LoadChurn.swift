// Connections that end and are replaced by fresh ones, while requests go on.

import ConnectionEngine

/// How far a churn is. Connections end in the order in which they were made.
struct Replacing {
    /// When the next one ends.
    var schedule = DueSchedule(perSecond: 0, from: .zero, stagger: 0)
    /// Connections to have at the end.
    var target = 0
    /// Position of the oldest connection that was not told to end.
    var front = 0
    /// Told to end, and not yet ended.
    var retiring = 0
}

extension LoadClient {
    mutating func advanceChurn(_ now: MonotonicTime, _ operations: inout OperationQueue) {
        guard now < requests.end else {
            endSending(now, &operations)
            phase = .settle
            return settleChurn(now, &operations)
        }
        let window = connectWindow(now)
        var wanted = nextDue
        replaceDue(now, within: window, &operations)
        if window > 0 { wanted = replacing.schedule.next }
        sendDue(now, &operations)
        if let wanted, wanted > now || window == 0 { nextDue = nextDue.map { min($0, wanted) } }
    }

    /// For each end that is due: a connect, and the end of the oldest connection.
    private mutating func replaceDue(
        _ now: MonotonicTime, within window: Int, _ operations: inout OperationQueue
    ) {
        while let due = replacing.schedule.next, due <= now {
            // Without room it stays due.
            guard opening < window, nextTuple < plan.count, let id = oldest(operations),
                connect(due: due, &operations)
            else { break }
            replacing.schedule.advance()
            replacing.front += 1
            replacing.retiring += 1
            links[id].isRetiring = true
            // In the middle of a request it ends with the answer.
            if links[id].outstanding == 0 { retire(id, &operations) }
        }
        makeUp(now, within: window, &operations)
    }

    /// Connects for those that failed, or were lost.
    private mutating func makeUp(
        _ now: MonotonicTime, within window: Int, _ operations: inout OperationQueue
    ) {
        while open - replacing.retiring + opening < replacing.target, opening < window,
            nextTuple < plan.count, failed <= settings.failuresMax,
            connect(due: now, &operations)
        {}
    }

    /// The oldest connection, at `front`; `nil` when it is still on its way.
    private mutating func oldest(_ operations: borrowing OperationQueue) -> ConnectionID? {
        while replacing.front < links.count {
            let id = links.id(at: replacing.front)
            let link = links[id]
            if operations.holds(id), !link.isShed, !link.isRetiring {
                if link.isOpen { return id }
                if link.isOpening { return nil }
            }
            // It failed or was lost.
            replacing.front += 1
        }
        return nil
    }

    /// Ends a connection whose replacement is on its way.
    mutating func retire(_ id: ConnectionID, _ operations: inout OperationQueue) {
        outstanding -= links[id].outstanding
        links[id].shed()
        if closesByReset { operations.abort(id) } else { operations.close(id) }
    }

    /// After the last end: until all are replaced and all requests answered, or for too long.
    mutating func settleChurn(_ now: MonotonicTime, _ operations: inout OperationQueue) {
        let window = connectWindow(now)
        let wanted = nextDue
        makeUp(now, within: window, &operations)
        let isComplete =
            opening == 0 && replacing.retiring == 0
            && (open >= replacing.target || nextTuple == plan.count
                || failed > settings.failuresMax)
        if isComplete && outstanding == 0 { return finishCommand() }
        guard now >= drainEnd else {
            nextDue = min(wanted ?? drainEnd, drainEnd)
            return
        }
        censorOutstanding(now)
        // Answers that never came keep no connection alive.
        for position in 0..<links.count {
            let id = links.id(at: position)
            if operations.holds(id), links[id].isRetiring, !links[id].isShed {
                retire(id, &operations)
            }
        }
        finishCommand()
    }
}
