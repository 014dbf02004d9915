// The handler on both sides: a client with a plan, or a server; it checks the seam's promises.

/// Works like an embedder's handler, and is as careless as one may be: it holds buffers for a
/// while, arms once or for good, closes with sends queued, and names connections that have gone.
struct SimulatedPeer: Handler, ~Copyable {
    let isClient: Bool
    let settings: SimulationSettings
    let ledger: Ledger
    let destination: SocketAddress
    var chance: SimulatedChance
    var links: [PeerLink]
    var opened = 0
    var liveCount = 0
    var heldCount = 0
    private(set) var now = MonotonicTime.zero
    private var lastGone: ConnectionID?
    var isDraining: Bool { ledger.isDraining }
    var hasEndedAll = false
    var patience: MonotonicTime?
    var isShortOfBuffers = false

    init(
        isClient: Bool, _ settings: SimulationSettings, _ ledger: Ledger,
        _ destination: SocketAddress
    ) {
        self.isClient = isClient
        self.settings = settings
        self.ledger = ledger
        self.destination = destination
        self.chance = SimulatedChance(seed: settings.seed &+ (isClient ? 7_777 : 5_555))
        self.links = []
    }

    var isDone: Bool {
        liveCount == 0 && (!isClient || isDraining || opened == settings.connections)
    }

    var nextDue: MonotonicTime? {
        if heldCount > 0 { return now.advanced(byNanoseconds: 500_000) }
        if !isClient { return nil }
        if isDraining, let patience { return hasEndedAll ? nil : patience }
        if isDone { return nil }
        // Buffers come back to the pool without a word; for all else there are completions.
        return now.advanced(byNanoseconds: isShortOfBuffers || isDraining ? 500_000 : 20_000_000)
    }

    mutating func start(_ operations: inout OperationQueue) {
        links = Array(repeating: PeerLink(), count: operations.connectionIndexLimit)
        if isClient { openMore(&operations) }
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        now = completions.reapedAt
        for position in 0..<completions.count {
            handle(completions[position], &operations)
        }
        if heldCount > 0 { answerHeld(&operations) }
        if isClient {
            openMore(&operations)
            if isDraining {
                endAll(&operations)
            } else {
                sendMore(&operations)
                loseEndPatience(&operations)
            }
        }
        if settings.isOdd, let gone = lastGone, chance.once(in: 20) { misuse(gone, &operations) }
    }

    // MARK: Completions

    private mutating func handle(_ completion: Completion, _ operations: inout OperationQueue) {
        switch completion {
        case .accepted(let id):
            let index = Int(id.index)
            if isClient { ledger.violation("a client accepted") }
            if links[index].phase != .none {
                ledger.violation("accepted \(id) in a slot that is live")
            }
            links[index] = PeerLink()
            links[index].id = id
            links[index].phase = .open
            liveCount += 1
            arm(index, &operations)
        case .connected(let id):
            guard let index = check(id, "connected") else { return }
            if links[index].phase == .ending {
                return ledger.violation("connected \(id) after close")
            }
            if links[index].phase != .opening { ledger.violation("connected \(id) twice") }
            links[index].phase = .open
            arm(index, &operations)
        case .received(let id, let buffer, let byteCount):
            guard let index = check(id, "received") else { return operations.release(buffer) }
            received(index, buffer, Int(byteCount), &operations)
        case .sent(let id):
            guard let index = check(id, "sent") else { return }
            links[index].unanswered -= 1
            if links[index].unanswered < 0 { ledger.violation("sent \(id) without a send") }
        case .closed(let id, let reason):
            guard let index = check(id, "closed") else { return }
            closed(index, reason, &operations)
        }
        ledger.note(completion.hashOfKind)
    }

    private func check(_ id: ConnectionID, _ what: String) -> Int? {
        let index = Int(id.index)
        if links[index].phase == .none || links[index].id != id {
            ledger.violation("\(what) \(id), which is not live")
            return nil
        }
        return index
    }

    private mutating func received(
        _ index: Int, _ buffer: Buffer, _ byteCount: Int, _ operations: inout OperationQueue
    ) {
        let id = links[index].id
        if links[index].phase == .ending {
            // The backend may have had it before it heard of the end; not after it answered.
            return operations.release(buffer)
        }
        if !links[index].isArmed { ledger.violation("received \(id), which is not armed") }
        if links[index].isOnce { links[index].isArmed = false }
        if byteCount == 0 { ledger.violation("received nothing") }
        checkBytes(index, buffer, byteCount, operations)
        links[index].received += byteCount
        let number = links[index].number
        if isClient {
            ledger.facts[number].clientReceived += byteCount
            operations.release(buffer)
            if !links[index].isArmed { arm(index, &operations) }
            if links[index].endsAfter >= 0, links[index].received >= links[index].endsAfter {
                end(index, &operations)
            }
            return
        }
        if number >= 0 { ledger.facts[number].serverReceived = links[index].received }
        answer(index, buffer, byteCount, &operations)
        if number >= 0 {
            let endsAfter = ServerBehaviour(number: number, seed: settings.seed).endsAfter
            if endsAfter >= 0, links[index].received >= endsAfter {
                return end(index, &operations)
            }
        }
        if !links[index].isArmed { arm(index, &operations) }
    }

    /// Echoes at once or later; a slow handler does not keep the last buffer.
    private mutating func answer(
        _ index: Int, _ buffer: Buffer, _ byteCount: Int, _ operations: inout OperationQueue
    ) {
        if !settings.echoes { return operations.release(buffer) }
        let isSlow = !isDraining && operations.freeBufferCount > 0 && chance.once(in: 4)
        if links[index].held.isEmpty, !isSlow {
            echo(index, buffer, byteCount, &operations)
        } else {
            links[index].held.append((buffer, byteCount))
            heldCount += 1
        }
    }

    private mutating func checkBytes(
        _ index: Int, _ buffer: Buffer, _ byteCount: Int, _ operations: borrowing OperationQueue
    ) {
        let start = links[index].received
        let bytes = operations.withBytes(of: buffer, byteCount: byteCount) { span in
            (0..<byteCount).map { span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
        }
        for (position, byte) in bytes.enumerated() {
            let offset = start + position
            if !isClient, offset < 4 {
                links[index].header.append(byte)
                if offset == 3 { learnNumber(index) }
                continue
            }
            if byte != Stream.byte(links[index].number, offset) {
                let side = isClient ? "client" : "server"
                return ledger.violation(
                    "connection \(links[index].number): wrong byte at \(offset) of the \(side)'s"
                        + " stream")
            }
        }
    }

    private mutating func learnNumber(_ index: Int) {
        let header = links[index].header
        let number = (0..<4).reduce(0) { $0 | Int(header[$1]) << (8 * $1) }
        if number >= ledger.facts.count {
            return ledger.violation("a stream begins with \(number), which was never sent")
        }
        links[index].number = number
        ledger.facts[number].serverSent = links[index].sent
    }

    private mutating func closed(
        _ index: Int, _ reason: CloseReason, _ operations: inout OperationQueue
    ) {
        let link = links[index]
        if reason == .requested, link.phase != .ending {
            ledger.violation("closed \(link.id) as requested, which it was not")
        }
        for held in link.held { operations.release(held.buffer) }
        heldCount -= link.held.count
        if link.number >= 0 {
            if isClient {
                ledger.facts[link.number].clientReason = reason
            } else {
                ledger.facts[link.number].serverReason = reason
            }
        }
        lastGone = link.id
        links[index] = PeerLink()
        liveCount -= 1
    }

    // MARK: Operations

    private mutating func arm(_ index: Int, _ operations: inout OperationQueue) {
        guard links[index].phase == .open else { return }
        links[index].isArmed = true
        links[index].isOnce = chance.once(in: 2)
        if links[index].isOnce {
            operations.armOnce(links[index].id)
        } else {
            operations.arm(links[index].id)
        }
    }

    private mutating func echo(
        _ index: Int, _ buffer: Buffer, _ byteCount: Int, _ operations: inout OperationQueue
    ) {
        links[index].sent += byteCount
        links[index].unanswered += 1
        let number = links[index].number
        if number >= 0 { ledger.facts[number].serverSent = links[index].sent }
        operations.send(links[index].id, buffer, byteCount: byteCount)
    }

    private mutating func answerHeld(_ operations: inout OperationQueue) {
        for index in links.indices where !links[index].held.isEmpty {
            if !isDraining, chance.once(in: 3) { continue }
            let held = links[index].held
            links[index].held = []
            heldCount -= held.count
            for (buffer, byteCount) in held {
                if links[index].phase == .open {
                    echo(index, buffer, byteCount, &operations)
                } else {
                    operations.release(buffer)
                }
            }
        }
    }

    mutating func end(_ index: Int, _ operations: inout OperationQueue) {
        guard links[index].phase == .open || links[index].phase == .opening else { return }
        let id = links[index].id
        let number = links[index].number
        let aborts: Bool
        if isClient {
            aborts = links[index].abortsAtEnd
            ledger.facts[number].clientEndedInOrder =
                !aborts && isFinished(links[index])
            if aborts { ledger.facts[number].wasAborted = true }
        } else {
            aborts = ServerBehaviour(number: number, seed: settings.seed).aborts
            ledger.facts[number].serverEnded = true
            if aborts { ledger.facts[number].wasAborted = true }
        }
        links[index].phase = .ending
        links[index].endedAt = now
        if aborts {
            operations.abort(id)
        } else {
            operations.close(id)
        }
        // Closing twice is allowed, and so is losing patience.
        if settings.isOdd, chance.once(in: 6) { operations.close(id) }
        if settings.isOdd, chance.once(in: 10) {
            operations.abort(id)
            if number >= 0 { ledger.facts[number].wasAborted = true }
        }
    }

    /// An embedder may name a connection that has gone: nothing must come of it.
    private mutating func misuse(_ gone: ConnectionID, _ operations: inout OperationQueue) {
        if operations.holds(gone) { return ledger.violation("\(gone) is held after its end") }
        switch chance.below(4) {
        case 0: operations.arm(gone)
        case 1: operations.close(gone)
        case 2: operations.abort(gone)
        default:
            if let buffer = operations.takeBuffer() { operations.send(gone, buffer, byteCount: 1) }
        }
    }

}

extension Completion {
    fileprivate var hashOfKind: Int {
        switch self {
        case .accepted(let id): Int(id.index) << 3
        case .connected(let id): Int(id.index) << 3 | 1
        case .received(let id, _, let count): Int(id.index) << 3 | 2 | Int(count) << 16
        case .sent(let id): Int(id.index) << 3 | 3
        case .closed(let id, _): Int(id.index) << 3 | 4
        }
    }
}
