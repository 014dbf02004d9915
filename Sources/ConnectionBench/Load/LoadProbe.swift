// A load client's requests: at a fixed rate in a probe, once on every connection in a sweep.

import ConnectionEngine

extension LoadClient {
    mutating func advanceProbe(
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

    mutating func advanceDrain(_ now: MonotonicTime) {
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

    mutating func advanceSweep(
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

    /// Sends to the next connection in turn that has no request outstanding.
    mutating func sendToNext(
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

    mutating func send(
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
}
