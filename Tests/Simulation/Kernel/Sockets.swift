// TCP without its header: what one socket holds, and what its calls answer.

import Glibc

final class SimulatedSocket: SimulatedFile {
    enum State {
        case fresh, listening, connecting, established
        /// Reset, refused, or disconnected; `error` may still have to be reported.
        case broken
    }

    let number: Int
    var state = State.fresh
    var local = SocketAddress(ipv4: 0, port: 0)
    var remote = SocketAddress(ipv4: 0, port: 0)
    unowned(unsafe) var peer: SimulatedSocket?
    /// Bytes that have arrived and were not read: `arrived[head...]`.
    var arrived: [UInt8] = []
    var head = 0
    /// The peer's FIN has arrived.
    var isEnded = false
    /// Our FIN was sent.
    var hasSentEnd = false
    /// Reported once, by whoever asks first.
    var error: CInt = 0
    /// Bytes on their way to the peer.
    var underway = 0
    /// No segment of this direction arrives before this time: they keep their order.
    var lastArrival: UInt64 = 0
    var isAbortive = false
    /// Nobody has a name for it any more; the peer may not know yet.
    var isOrphan = false
    /// The machine behind it has vanished: nothing is sent, nothing answered.
    var isSilent = false
    /// Until then its reader gets nothing.
    var stalledUntil: UInt64 = 0
    /// A connect whose outcome is known was reported.
    var isResolved = false
    /// Something beyond the two handlers' wishes has hit this connection.
    var isDisturbed = false
    // Of a listener.
    var backlog: [SimulatedSocket] = []
    var backlogMax = 16

    init(number: Int) {
        self.number = number
    }

    /// From here on neither side can expect every byte, or an end in order.
    func disturb() {
        isDisturbed = true
        peer?.isDisturbed = true
    }

    var arrivedCount: Int { arrived.count - head }

    override var readiness: UInt32 {
        switch state {
        case .fresh: return PollMask.output | PollMask.hangUp
        case .listening: return backlog.isEmpty ? 0 : PollMask.input
        case .connecting: return 0
        case .established, .broken: break
        }
        var mask: UInt32 = 0
        if arrivedCount > 0 || isEnded { mask |= PollMask.input }
        if isEnded { mask |= PollMask.peerEnded }
        if isEnded && hasSentEnd { mask |= PollMask.hangUp }
        if state == .broken {
            mask |= PollMask.input | PollMask.peerEnded | PollMask.hangUp | PollMask.output
        }
        if error != 0 { mask |= PollMask.error }
        if room > 0 { mask |= PollMask.output }
        return mask
    }

    /// Bytes that a send would take.
    var room: Int {
        guard state == .established, let peer else { return 0 }
        return max(window - underway - peer.arrivedCount, 0)
    }

    var window = 4_096

    /// recv(2); -EAGAIN where it would wait.
    func receive(
        _ bytes: UnsafeMutableRawPointer, _ count: Int, _ kernel: SimulatedKernel
    ) -> Int {
        if state == .established || state == .broken, arrivedCount > 0 {
            if kernel.clock < stalledUntil { return Int(-EAGAIN) }
            var taken = min(count, arrivedCount)
            if taken > 1, kernel.faults.fires(.shortReceive, &kernel.chance) {
                taken = kernel.chance.within(1...taken - 1)
            }
            arrived.withUnsafeBytes {
                bytes.copyMemory(from: $0.baseAddress! + head, byteCount: taken)
            }
            head += taken
            if head == arrived.count {
                arrived.removeAll(keepingCapacity: true)
                head = 0
            }
            if let peer { kernel.windowOpened(for: peer) }
            return taken
        }
        if error != 0 {
            defer { error = 0 }
            return Int(-error)
        }
        switch state {
        case .fresh, .listening: return Int(-ENOTCONN)
        case .connecting: return Int(-EAGAIN)
        case .broken: return 0
        case .established: return isEnded ? 0 : Int(-EAGAIN)
        }
    }

    /// send(2) without MSG_WAITALL.
    func send(_ bytes: UnsafeRawPointer, _ count: Int, _ kernel: SimulatedKernel) -> Int {
        if error != 0 {
            defer { error = 0 }
            return Int(-error)
        }
        guard state == .established, !hasSentEnd else { return Int(-EPIPE) }
        if room == 0 { return Int(-EAGAIN) }
        // Linux takes a small send whole when there is any room at all.
        var taken = kernel.splitsSends ? min(count, room) : count
        if taken > 1, kernel.faults.fires(.shortSend, &kernel.chance) {
            taken = kernel.chance.within(1...taken - 1)
        }
        underway += taken
        kernel.transmit(
            .data(Array(UnsafeRawBufferPointer(start: bytes, count: taken))), from: self)
        return taken
    }

    /// Resets or ends the connection as close(2) does: in order, unless bytes were left unread.
    override func ended(_ kernel: SimulatedKernel) {
        switch state {
        case .listening:
            kernel.removeListener(self)
            for child in backlog {
                kernel.transmit(.reset, from: child)
                child.isOrphan = true
            }
            backlog = []
        case .established:
            if isAbortive || arrivedCount > 0 {
                kernel.transmit(.reset, from: self)
            } else if !hasSentEnd {
                hasSentEnd = true
                kernel.transmit(.end, from: self)
            }
        case .connecting, .fresh, .broken: break
        }
        isOrphan = true
        kernel.forget(self)
    }
}
