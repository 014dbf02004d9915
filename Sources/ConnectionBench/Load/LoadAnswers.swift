// What a load client makes of its completions: connects, answers, ends.

import ConnectionEngine

extension LoadClient {
    mutating func connected(_ id: ConnectionID, _ now: MonotonicTime) {
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

    mutating func received(
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
            report.answered += 1
        }
        link.isCensored = false
        link.dueNanoseconds = 0
        links[id] = link
    }

    mutating func closed(
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

    mutating func connectFailed(_ reason: CloseReason) {
        failed += 1
        guard case .failed(let errno) = reason else { return }
        report.failures[errno.code, default: 0] += 1
        row[.lastError] = Int(errno.code)
    }

    mutating func censor(_ due: MonotonicTime, _ now: MonotonicTime) {
        echoLatency.record(now.nanoseconds(since: due))
        report.censored += 1
    }
}
