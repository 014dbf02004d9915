// The wire between sockets of the simulation: segments in order, each direction with its own delay.

import Glibc

/// What travels.
enum Segment {
    case request
    /// The listener's answer.
    case granted
    case refused
    case data([UInt8])
    case end
    case reset
    /// The peer has read: there is room again.
    case room
    /// Minutes have passed without an answer.
    case timeOut
}

struct Arrival {
    var time: UInt64
    var order: UInt64
    var segment: Segment
    let socket: SimulatedSocket
}

/// A binary heap by time, then by order.
struct ArrivalQueue {
    private var heap: [Arrival] = []
    private var order: UInt64 = 0

    var nextTime: UInt64? { heap.first?.time }
    var isEmpty: Bool { heap.isEmpty }

    mutating func push(_ segment: Segment, to socket: SimulatedSocket, at time: UInt64) {
        order += 1
        heap.append(Arrival(time: time, order: order, segment: segment, socket: socket))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if !isBefore(child, parent) { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> Arrival {
        let first = heap[0]
        heap[0] = heap[heap.count - 1]
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && isBefore(child, least) { least = child }
            if least == parent { break }
            heap.swapAt(parent, least)
            parent = least
        }
        return first
    }

    private func isBefore(_ a: Int, _ b: Int) -> Bool {
        (heap[a].time, heap[a].order) < (heap[b].time, heap[b].order)
    }
}

extension SimulatedKernel {
    /// Sends a segment to the other end of a connection.
    func transmit(_ segment: Segment, from socket: SimulatedSocket) {
        if socket.isSilent { return }
        guard let peer = socket.peer else { return }
        deliver(segment, to: peer, of: socket)
    }

    /// `sender` gives the direction its order.
    func deliver(_ segment: Segment, to socket: SimulatedSocket, of sender: SimulatedSocket) {
        let delay = delayMax == 0 ? 0 : UInt64(chance.below(delayMax))
        let time = max(clock + delay, sender.lastArrival)
        sender.lastArrival = time
        arrivals.push(segment, to: socket, at: time)
        // As on loopback: what is sent has arrived before the call returns.
        if delayMax == 0, !isDelivering { deliverDue() }
    }

    /// Delivers what should have arrived by now.
    func deliverDue() {
        isDelivering = true
        while let time = arrivals.nextTime, time <= clock {
            let arrival = arrivals.pop()
            arrive(arrival.segment, at: arrival.socket)
        }
        isDelivering = false
    }

    /// Begins a connect: 0 when it has succeeded at once, else -errno or -EINPROGRESS.
    func startConnect(_ socket: SimulatedSocket, to address: SocketAddress) -> CInt {
        guard socket.state == .fresh else {
            return socket.state == .connecting ? -EALREADY : -EISCONN
        }
        if faults.fires(.addressInUse, &chance) { return -EADDRNOTAVAIL }
        socket.remote = address
        if socket.local.port == 0 {
            nextPort = nextPort == 65_535 ? 32_768 : nextPort + 1
            if socket.local.low == 0 { socket.local = .loopback(port: 0) }
            socket.local.port = nextPort
        }
        let tuple = Tuple(local: socket.local, remote: address)
        if tuples.contains(tuple) { return -EADDRNOTAVAIL }
        tuples.insert(tuple)
        socket.state = .connecting
        if faults.fires(.timedOut, &chance) {
            arrivals.push(.timeOut, to: socket, at: clock + 130_000_000_000)
        } else if faults.fires(.refused, &chance) {
            deliver(.refused, to: socket, of: socket)
        } else {
            deliver(.request, to: socket, of: socket)
        }
        switch socket.state {
        case .established: return 0
        case .broken:
            defer { socket.error = 0 }
            return -socket.error
        default: return -EINPROGRESS
        }
    }

    /// A segment has arrived at `socket`. A request is put to the listener by its sender.
    func arrive(_ segment: Segment, at socket: SimulatedSocket) {
        switch segment {
        case .request: requestArrived(socket)
        case .granted:
            // The client has given up meanwhile.
            guard socket.state == .connecting, !socket.isOrphan else {
                return transmit(.reset, from: socket)
            }
            socket.state = .established
            if faults.fires(.halfOpen, &chance) { vanish(socket) }
            wake(socket, PollMask.output)
        case .refused:
            guard socket.state == .connecting else { return }
            breakOff(socket, ECONNREFUSED)
        case .timeOut:
            guard socket.state == .connecting || socket.state == .established else { return }
            socket.disturb()
            breakOff(socket, ETIMEDOUT)
        case .data(let bytes):
            socket.peer?.underway -= bytes.count
            if socket.isSilent { return }
            if socket.isOrphan { return transmit(.reset, from: socket) }
            guard socket.state == .established else { return transmit(.reset, from: socket) }
            socket.arrived.append(contentsOf: bytes)
            if faults.fires(.slowConsumer, &chance) {
                socket.stalledUntil = clock + UInt64(chance.below(50_000_000))
                arrivals.push(.room, to: socket, at: socket.stalledUntil)
            }
            if faults.fires(.reset, &chance) { resetByNetwork(socket) }
            wake(socket, PollMask.input)
        case .end:
            if socket.isSilent || socket.isOrphan || socket.state != .established { return }
            socket.isEnded = true
            wake(socket, PollMask.input | PollMask.peerEnded)
        case .reset:
            if socket.isSilent || socket.isOrphan { return }
            guard socket.state == .established || socket.state == .connecting else { return }
            // As tcp_reset() has it: a side that has heard the end already is told EPIPE.
            let code = socket.isEnded && !socket.hasSentEnd ? EPIPE : ECONNRESET
            breakOff(socket, socket.state == .connecting ? ECONNREFUSED : code)
        case .room:
            wake(socket, socket.readiness)
        }
    }

    private func requestArrived(_ client: SimulatedSocket) {
        guard client.state == .connecting, !client.isOrphan else { return }
        guard let listener = listeners.first(where: { $0.local.port == client.remote.port }) else {
            return breakOff(client, ECONNREFUSED)
        }
        if listener.backlog.count >= listener.backlogMax {
            // Dropped; TCP tries again in a second.
            arrivals.push(.request, to: client, at: clock + 1_000_000_000)
            return
        }
        let child = makeSocket()
        child.state = .established
        child.local = client.remote
        child.remote = client.local
        child.peer = client
        client.peer = child
        listener.backlog.append(child)
        wake(listener, PollMask.input)
        deliver(.granted, to: client, of: child)
    }

    /// The connection is over on this side.
    func breakOff(_ socket: SimulatedSocket, _ code: CInt) {
        socket.state = .broken
        socket.error = code
        forget(socket)
        wake(
            socket,
            PollMask.input | PollMask.output | PollMask.error | PollMask.hangUp | PollMask.peerEnded
        )
    }

    /// Both ends lose their connection.
    private func resetByNetwork(_ socket: SimulatedSocket) {
        socket.isDisturbed = true
        if let peer = socket.peer {
            peer.isDisturbed = true
            arrivals.push(.reset, to: peer, at: clock)
        }
        breakOff(socket, ECONNRESET)
    }

    /// The machine behind `socket`'s peer vanishes; minutes later TCP gives up here.
    private func vanish(_ socket: SimulatedSocket) {
        guard let peer = socket.peer else { return }
        for end in [socket, peer] {
            end.isDisturbed = true
            end.isSilent = true
            arrivals.push(.timeOut, to: end, at: clock + 900_000_000_000)
        }
    }

    func windowOpened(for sender: SimulatedSocket) {
        if sender.room > 0 { deliver(.room, to: sender, of: sender.peer ?? sender) }
    }

    /// A tuple is free again when either end has gone.
    func forget(_ socket: SimulatedSocket) {
        tuples.remove(Tuple(local: socket.local, remote: socket.remote))
    }

    /// connect(2) to AF_UNSPEC.
    func disconnect(_ socket: SimulatedSocket) -> CInt {
        switch socket.state {
        case .established:
            transmit(.reset, from: socket)
            socket.arrived = []
            socket.head = 0
            breakOff(socket, ECONNRESET)
        case .connecting: breakOff(socket, ECONNABORTED)
        case .fresh, .broken, .listening: break
        }
        return 0
    }
}

struct Tuple: Hashable {
    var local: SocketAddress
    var remote: SocketAddress
}
