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
        if phase == .churn || phase == .settle { report.replaced += 1 }
        rampOpened += 1
        if phase == .ramp, rampOpened % LoadReport.rampMarkInterval(workers: worker.count) == 0 {
            report.rampMarksNanoseconds.append(now.nanoseconds)
        }
        row[.lastOpenAt] = Int(now.nanoseconds)
    }

    /// Checks what has come against the answers that are due, of which it may have several, or a
    /// part of one.
    mutating func received(
        _ id: ConnectionID, _ buffer: Buffer, _ byteCount: Int, _ now: MonotonicTime,
        _ operations: inout OperationQueue
    ) {
        var link = links[id]
        if link.isShed { return operations.release(buffer) }
        var isExpected = true
        var offset = 0
        var answers = 0
        while offset < byteCount, isExpected {
            guard link.outstanding > 0 else {
                isExpected = false
                break
            }
            let pattern = MessagePattern(connection: id.index, sequence: pipeline.oldest(link))
            let size = sizer.byteCount(pattern)
            let start = Int(link.received)
            let end = offset + min(size - start, byteCount - offset)
            isExpected = operations.withBytes(of: buffer, byteCount: byteCount) {
                pattern.matches($0.extracting(offset..<end), from: start)
            }
            guard isExpected else { break }
            link.received += UInt32(end - offset)
            offset = end
            if Int(link.received) == size {
                answered(id, &link, now)
                answers += 1
            }
        }
        operations.release(buffer)
        links[id] = link
        guard isExpected else {
            // From here on its stream means nothing.
            wrong += 1
            operations.abort(id)
            return
        }
        if link.outstanding > 0 { operations.armOnce(id) }
        if link.isRetiring {
            if link.outstanding == 0 { retire(id, &operations) }
            closedUnsent += isClosedLoop ? answers : 0
        } else if isClosedLoop {
            for _ in 0..<answers { sendAgain(id, now, &operations) }
        }
    }

    private mutating func answered(
        _ id: ConnectionID, _ link: inout Link, _ now: MonotonicTime
    ) {
        echoes += 1
        outstanding -= 1
        if !link.isUnmeasured {
            let nanoseconds = now.nanoseconds(since: link.due)
            echoLatency.record(nanoseconds)
            row.latency.record(nanoseconds)
            report.answered += 1
        }
        pipeline.pop(id, &link)
    }

    mutating func closed(
        _ id: ConnectionID, _ reason: CloseReason, _ now: MonotonicTime
    ) {
        let link = links[id]
        links.remove(id)
        if link.isRetiring {
            replacing.retiring -= 1
            report.retired += 1
        } else if link.isShed {
            shedding.inFlight -= 1
        }
        // Connections end because this client ends them.
        let wasAsked = phase == .close || link.isShed
        if !link.isOpen {
            opening -= 1
            if !wasAsked { connectFailed(reason) }
            return
        }
        open -= 1
        closed += 1
        outstanding -= link.outstanding
        if isProbing {
            // Their answers will never come: they have waited at least until now.
            for number in 0..<link.outstanding {
                if let due = pipeline.measuredDue(id, link, number) { censor(due, now) }
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

    mutating func censor(_ due: MonotonicTime, _ now: MonotonicTime) {
        echoLatency.record(now.nanoseconds(since: due))
        report.censored += 1
    }
}
