// One side of one connection on its way through its script.

import Glibc

#if !SIMULATION
    @testable import ConnectionEngine
#endif

/// The steps that are left, what has come so far, and what it waits for.
struct ScriptRun {
    enum Waiting: Equatable {
        /// Over, or not begun.
        case nothing
        /// A completion will bring a turn.
        case completion
        /// The other side, or a buffer: nobody will bring a turn.
        case another
        case time(MonotonicTime)
    }

    private enum Armed {
        case not, once, always
    }

    let side: Side
    let number: Int
    let id: ConnectionID
    private let meeting: Meeting
    private let ownStream: Int
    private let heardStream: Int
    private var steps: [Step]
    private var position = 0
    private var armed = Armed.not
    /// `.connected` or `.accepted` has come.
    private(set) var wasOpened = false
    private(set) var isClosed = false
    private(set) var isOver = false

    /// Bytes that have come, and that the script has waited for.
    private var received = 0
    private var expected = 0
    /// Bytes of the own stream that were queued.
    private var streamed = 0
    /// Sizes of the sends that were not answered, oldest first, and bytes of those that were. (How
    /// many sends an echo makes depends on the pieces that it receives.)
    private var unanswered: [Int] = []
    private var answeredBytes = 0
    /// Where the present step begins: bytes of a send, moment of a pause.
    private var stepBytes = 0
    private var pausedUntil: MonotonicTime?
    /// Bytes that an echo has still to send back.
    private var echoLeft = 0
    private var keepsBuffers = false
    private var kept: [Buffer] = []

    init(
        _ side: Side, _ number: Int, _ id: ConnectionID, steps: [Step],
        _ performance: Performance, _ meeting: Meeting
    ) {
        self.side = side
        self.number = number
        self.id = id
        self.steps = steps
        self.meeting = meeting
        ownStream = performance.stream(side, of: number)
        let hearsItself = side == .client && performance.scripts[number].hearsEcho
        heardStream = performance.stream(
            side == .server || hearsItself ? .client : .server, of: number)
    }

    // MARK: Completions

    mutating func opened(_ entry: Entry, steps: [Step]) {
        if wasOpened { violate("opened twice") }
        wasOpened = true
        self.steps += steps
        meeting.record(entry, side, number)
    }

    mutating func received(
        _ buffer: Buffer, byteCount: Int, _ operations: inout OperationQueue
    ) {
        if isClosed || !wasOpened { violate("bytes while it was not open") }
        if byteCount == 0 { violate("no bytes") }
        switch armed {
        case .not: violate("bytes while it was not armed")
        case .once: armed = .not
        case .always: break
        }
        let right = pattern(heardStream, from: received, count: byteCount)
        let wrong = operations.withBytes(of: buffer, byteCount: byteCount) { span in
            span.withUnsafeBytes { bytes in
                right.withUnsafeBytes { memoryDiffers($0, bytes) }
                    ? bytes.indices.first { bytes[$0] != right[$0] } : nil
            }
        }
        if let wrong { violate("byte \(received + wrong) is not the one that was sent") }
        received += byteCount
        if echoLeft > 0 {
            let count = min(byteCount, echoLeft)
            operations.send(id, buffer, byteCount: count)
            unanswered.append(count)
            echoLeft -= count
        } else if keepsBuffers {
            kept.append(buffer)
        } else {
            operations.release(buffer)
        }
    }

    mutating func answered() {
        if isClosed { violate("an answer after the end") }
        if unanswered.isEmpty { return violate("more answers than sends") }
        answeredBytes += unanswered.removeFirst()
    }

    mutating func closed(_ reason: CloseReason, _ operations: inout OperationQueue) {
        if isClosed { violate("closed twice") }
        if operations.holds(id) { violate("its slot is held after the end") }
        isClosed = true
        meeting.record(
            .closed(Reason(reason), received: received, sent: answeredBytes), side, number)
        meeting.reach(.closed, side, number)
        let next = steps.indices.first { $0 >= position && steps[$0] == .untilClosed }
        position = next.map { $0 + 1 } ?? steps.count
        stepBytes = 0
        pausedUntil = nil
        if next == nil { releaseKept(&operations) }
    }

    // MARK: Steps

    /// Takes as many steps as have nothing to wait for.
    mutating func advance(
        at now: MonotonicTime, _ operations: inout OperationQueue
    ) -> Waiting {
        if isOver { return .nothing }
        while position < steps.count {
            if let waiting = take(steps[position], at: now, &operations) { return waiting }
            position += 1
            stepBytes = 0
            pausedUntil = nil
        }
        guard isClosed else { return .completion }
        isOver = true
        releaseKept(&operations)
        meeting.scriptIsOver(side)
        return .nothing
    }

    /// - Returns: `nil` when the step is done.
    private mutating func take(
        _ step: Step, at now: MonotonicTime, _ operations: inout OperationQueue
    ) -> Waiting? {
        switch step {
        case .arm: arm(once: false, &operations)
        case .armOnce: arm(once: true, &operations)
        case .send(let count):
            return queue(count, piece: operations.bufferByteCount, &operations)
        case .sendPieces(let count, let piece):
            return queue(count, piece: min(piece, operations.bufferByteCount), &operations)
        case .expect(let count): return expect(count)
        case .receive(let count):
            if received < expected + count, armed == .not { arm(once: true, &operations) }
            return expect(count)
        case .echo(let count): return echo(count)
        case .sent:
            if !unanswered.isEmpty { return .completion }
            meeting.record(.sent(answeredBytes), side, number)
        case .pause(let milliseconds):
            let due = pausedUntil ?? now.advanced(byNanoseconds: UInt64(milliseconds) * 1_000_000)
            if pausedUntil == nil || now < due {
                pausedUntil = due
                return .time(due)
            }
        case .reach(let mark):
            meeting.record(.reached(mark), side, number)
            meeting.reach(mark, side, number)
        case .await(let mark):
            let other: Side = side == .client ? .server : .client
            if !meeting.hasReached(mark, other, number) { return .another }
        case .keep: keepsBuffers = true
        case .releaseKept:
            keepsBuffers = false
            releaseKept(&operations)
        case .close: operations.close(id)
        case .abort: operations.abort(id)
        case .untilClosed: return isClosed ? nil : .completion
        case .useAgain: useAgain(&operations)
        }
        return nil
    }

    private mutating func arm(once: Bool, _ operations: inout OperationQueue) {
        // What is asked for before the connection is open is not heard.
        if wasOpened, !isClosed, armed != .always { armed = once ? .once : .always }
        if once { operations.armOnce(id) } else { operations.arm(id) }
    }

    private mutating func queue(
        _ count: Int, piece: Int, _ operations: inout OperationQueue
    ) -> Waiting? {
        while stepBytes < count {
            guard let buffer = operations.takeBuffer() else { return .another }
            let size = min(piece, count - stepBytes)
            let bytes = pattern(ownStream, from: streamed, count: size)
            operations.withMutableBytes(of: buffer, byteCount: size) { span in
                span.withUnsafeMutableBytes { $0.copyBytes(from: bytes) }
            }
            operations.send(id, buffer, byteCount: size)
            stepBytes += size
            // Before it is open a send is dropped, and its bytes are sent later.
            if !wasOpened { continue }
            streamed += size
            unanswered.append(size)
        }
        return nil
    }

    private mutating func expect(_ count: Int) -> Waiting? {
        if received < expected + count { return .completion }
        expected += count
        meeting.record(.received(expected), side, number)
        return nil
    }

    private mutating func echo(_ count: Int) -> Waiting? {
        if stepBytes == 0 {
            stepBytes = count
            echoLeft = count
        }
        if echoLeft > 0 { return .completion }
        expected += count
        meeting.record(.received(expected), side, number)
        return nil
    }

    private func useAgain(_ operations: inout OperationQueue) {
        operations.arm(id)
        operations.armOnce(id)
        if let buffer = operations.takeBuffer() { operations.send(id, buffer, byteCount: 1) }
        operations.close(id)
        operations.abort(id)
    }

    private mutating func releaseKept(_ operations: inout OperationQueue) {
        for buffer in kept { operations.release(buffer) }
        kept.removeAll()
    }

    private func violate(_ what: String) {
        meeting.violate("\(side) \(number): \(what)")
    }
}

private func memoryDiffers(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool
{
    memcmp(left.baseAddress!, right.baseAddress!, right.count) != 0
}
