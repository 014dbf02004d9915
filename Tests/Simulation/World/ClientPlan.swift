// What the client of a simulation wants: connections, messages, ends, and how patient it is.

extension SimulatedPeer {
    /// A close waits until its sends are done; a peer that itself waits for us to read would never
    /// take them. So patience ends, as an embedder's should.
    mutating func loseEndPatience(_ operations: inout OperationQueue) {
        for index in links.indices where links[index].phase == .ending {
            if now.nanoseconds(since: links[index].endedAt) < 20_000_000 { continue }
            links[index].endedAt = now
            ledger.facts[links[index].number].wasAborted = true
            operations.abort(links[index].id)
        }
    }

    /// Ends what is open. A second later patience is over: a peer that waits for us to read first
    /// would never take what a close still has to send.
    mutating func endAll(_ operations: inout OperationQueue) {
        if hasEndedAll { return }
        guard let patience else {
            patience = now.advanced(byNanoseconds: 1_000_000_000)
            for index in links.indices { end(index, &operations) }
            return
        }
        if now < patience { return }
        hasEndedAll = true
        for index in links.indices where links[index].phase == .ending {
            ledger.facts[links[index].number].wasAborted = true
            operations.abort(links[index].id)
        }
    }

    mutating func openMore(_ operations: inout OperationQueue) {
        while !isDraining, liveCount < settings.atOnce, opened < settings.connections {
            let hasSource = !chance.once(in: 4)
            let source =
                hasSource
                ? SocketAddress(ipv4: clientAddress + UInt32(opened), port: 0) : nil
            guard let id = operations.connect(from: source, to: destination) else { return }
            let index = Int(id.index)
            if links[index].phase != .none { ledger.violation("\(id) is given out while live") }
            var link = PeerLink()
            link.id = id
            link.phase = .opening
            link.number = opened
            link.messagesLeft = chance.within(1...settings.messagesMax)
            link.endsAfter = chance.once(in: 6) ? chance.within(1...40) : -1
            link.abortsAtEnd = chance.once(in: 5)
            links[index] = link
            ledger.facts.append(ConnectionFacts())
            ledger.facts[opened].hasSource = hasSource
            opened += 1
            liveCount += 1
            // Patience may end before the connection is there.
            if settings.isOdd, chance.once(in: 20) { end(index, &operations) }
        }
    }

    mutating func sendMore(_ operations: inout OperationQueue) {
        isShortOfBuffers = false
        for index in links.indices where links[index].phase == .open {
            var budget = 3
            // One buffer is left for the answers: else both sides could wait for the other to read.
            while links[index].messagesLeft > 0, budget > 0, links[index].unanswered < 4,
                operations.freeBufferCount >= 2
            {
                guard let buffer = operations.takeBuffer() else { break }
                send(index, buffer, &operations)
                budget -= 1
            }
            if links[index].messagesLeft > 0 { isShortOfBuffers = true }
            endIfFinished(index, &operations)
        }
    }

    mutating func send(
        _ index: Int, _ buffer: Buffer, _ operations: inout OperationQueue
    ) {
        let count = min(
            chance.within(4...max(settings.messageBytesMax, 4)), operations.bufferByteCount)
        let start = links[index].sent
        let number = links[index].number
        operations.withMutableBytes(of: buffer, byteCount: count) { span in
            for position in 0..<count {
                span.storeBytes(
                    of: Stream.byte(number, start + position), toByteOffset: position,
                    as: UInt8.self)
            }
        }
        links[index].sent += count
        links[index].unanswered += 1
        links[index].messagesLeft -= 1
        ledger.facts[number].clientSent += count
        operations.send(links[index].id, buffer, byteCount: count)
    }

    /// Everything was sent, and everything that should come back has come.
    func isFinished(_ link: PeerLink) -> Bool {
        link.phase == .open && link.messagesLeft == 0
            && (!settings.echoes || link.received >= link.sent)
    }

    /// Ends when all is answered; sometimes with sends still queued, which must be done first.
    mutating func endIfFinished(_ index: Int, _ operations: inout OperationQueue) {
        let link = links[index]
        guard link.phase == .open, link.messagesLeft == 0 else { return }
        if settings.echoes {
            if link.received >= link.sent, link.unanswered == 0 { end(index, &operations) }
        } else if link.unanswered == 0 || chance.once(in: 4) {
            end(index, &operations)
        }
    }
}

/// The client's source addresses begin here: connection n has the n-th.
let clientAddress: UInt32 = 0x7f01_0000
