// What each request does when it is issued, when its file wakes it, and when it is cancelled.

import CLiburing
import Glibc

extension SimulatedKernel {
    // MARK: Issuing

    func issue(_ sqe: io_uring_sqe, _ ring: SimulatedRing) {
        if let allowed = ring.allowed, !allowed.contains(sqe.opcode) {
            violation("operation \(sqe.opcode) is not on the ring's list")
        }
        switch UInt32(sqe.opcode) {
        case IORING_OP_ASYNC_CANCEL.rawValue: return answer(sqe, cancel(sqe, ring), ring)
        case IORING_OP_SOCKET.rawValue: return answer(sqe, makeDirectSocket(sqe, ring), ring)
        case IORING_OP_CLOSE.rawValue: return answer(sqe, close(sqe, ring), ring)
        default: break
        }
        guard let file = file(of: sqe, ring) else {
            // A socket that could not be made: its connect fails, and its close finds nothing.
            if UInt32(sqe.opcode) == IORING_OP_CONNECT.rawValue {
                ring.unmade.insert(UInt32(bitPattern: sqe.fd))
            }
            return answer(sqe, -EBADF, ring)
        }
        switch UInt32(sqe.opcode) {
        case IORING_OP_URING_CMD.rawValue: answer(sqe, -use(.setOption, on: file), ring)
        case UInt32(CLiburing_OP_BIND): answer(sqe, bind(sqe, file), ring)
        case IORING_OP_CONNECT.rawValue: connect(sqe, file, ring)
        case IORING_OP_ACCEPT.rawValue:
            begin(SimulatedRequest(.accept, sqe, file, ring, mask: PollMask.input))
        case IORING_OP_POLL_ADD.rawValue:
            let code = use(.poll, on: file)
            if code != 0 { return answer(sqe, -code, ring) }
            begin(
                SimulatedRequest(
                    .poll, sqe, file, ring,
                    mask: sqe.poll32_events | PollMask.error | PollMask.hangUp))
        case IORING_OP_RECV.rawValue:
            begin(SimulatedRequest(.receive, sqe, file, ring, mask: PollMask.input))
        case IORING_OP_SEND.rawValue:
            begin(SimulatedRequest(.send, sqe, file, ring, mask: PollMask.output))
        case IORING_OP_READ.rawValue:
            begin(SimulatedRequest(.wakeRead, sqe, file, ring, mask: PollMask.input))
        default: violation("the simulated kernel does not know operation \(sqe.opcode)")
        }
    }

    private func file(of sqe: io_uring_sqe, _ ring: SimulatedRing) -> SimulatedFile? {
        if sqe.flags & CLiburing_SQE_FIXED_FILE == 0 {
            return processes[ring.process].file(sqe.fd)
        }
        let slot = Int(sqe.fd)
        return slot >= 0 && slot < ring.slots.count ? ring.slots[slot] : nil
    }

    /// Answers a request that never waits.
    private func answer(_ sqe: io_uring_sqe, _ result: Int32, _ ring: SimulatedRing) {
        if result >= 0, sqe.flags & CLiburing_SQE_CQE_SKIP_SUCCESS != 0 { return }
        _ = ring.post(sqe.user_data, result, 0, self)
    }

    private func makeDirectSocket(_ sqe: io_uring_sqe, _ ring: SimulatedRing) -> Int32 {
        let slot = sqe.file_index - 1
        let code = socketFailure()
        if code != 0 {
            ring.unmade.insert(slot)
            return -code
        }
        guard Int(slot) < ring.slots.count else { return -EINVAL }
        if ring.slots[Int(slot)] != nil {
            violation("a socket is put into slot \(slot), which is taken")
        }
        let socket = makeSocket()
        socket.names = 1
        ring.slots[Int(slot)] = socket
        return 0
    }

    /// The errno that making a socket fails with now; 0: it does not.
    func socketFailure() -> Int32 {
        let code = faults.use(.socket)
        if code != 0 { return code }
        if faults.fires(.noDescriptor, &chance) { return EMFILE }
        if faults.fires(.noFile, &chance) { return ENFILE }
        if faults.fires(.noMemory, &chance) { return ENOMEM }
        return 0
    }

    private func bind(_ sqe: io_uring_sqe, _ file: SimulatedFile) -> Int32 {
        guard let socket = file as? SimulatedSocket else { return -ENOTSOCK }
        return bind(socket, UnsafeRawPointer(bitPattern: UInt(sqe.addr))!)
    }

    func bind(_ socket: SimulatedSocket, _ address: UnsafeRawPointer) -> Int32 {
        let code = use(.bind, on: socket)
        if code != 0 { return -code }
        if faults.fires(.addressInUse, &chance) { return -EADDRINUSE }
        guard let local = SocketAddress(readingFrom: address) else { return -EAFNOSUPPORT }
        socket.local = local
        return 0
    }

    private func connect(_ sqe: io_uring_sqe, _ file: SimulatedFile, _ ring: SimulatedRing) {
        guard let socket = file as? SimulatedSocket else { return answer(sqe, -ENOTSOCK, ring) }
        let place = UnsafeRawPointer(bitPattern: UInt(sqe.addr))!
        guard let address = SocketAddress(readingFrom: place) else {
            let code = faults.use(.disconnect)
            return answer(sqe, code != 0 ? -code : disconnect(socket), ring)
        }
        let code = use(.connect, on: socket)
        if code != 0 { return answer(sqe, -code, ring) }
        let result = startConnect(socket, to: address)
        if result != -EINPROGRESS { return answer(sqe, result, ring) }
        let request = SimulatedRequest(.connect, sqe, file, ring, mask: PollMask.output)
        ring.requests.append(request)
        file.waiters.append(request)
    }

    /// Frees a direct slot or a descriptor.
    private func close(_ sqe: io_uring_sqe, _ ring: SimulatedRing) -> Int32 {
        let code = faults.use(.close)
        if sqe.file_index == 0 { return close(descriptor: sqe.fd, of: ring.process) }
        let slot = sqe.file_index - 1
        guard Int(slot) < ring.slots.count, let file = ring.slots[Int(slot)] else {
            if ring.unmade.remove(slot) == nil { violation("slot \(slot) is closed twice") }
            return -EBADF
        }
        ring.unmade.remove(slot)
        checkUnused(file)
        ring.slots[Int(slot)] = nil
        dropName(file)
        return -code
    }

    /// Closing a descriptor under a request would let the next connection have its bytes.
    func checkUnused(_ file: SimulatedFile) {
        guard file is SimulatedSocket, file.names == 1 else { return }
        for ring in rings {
            if let request = ring.requests.first(where: { $0.file === file }) {
                violation(
                    "closed with \(request.kind) in flight, \(UserData(rawValue: request.userData))"
                )
            }
        }
    }

    // MARK: Requests that may wait

    private func begin(_ request: SimulatedRequest) {
        request.ring.requests.append(request)
        let pollsFirst: Bool
        switch request.kind {
        case .receive: pollsFirst = request.sqe.ioprio & CLiburing_RECVSEND_POLL_FIRST != 0
        default: pollsFirst = false
        }
        if pollsFirst {
            wait(request)
        } else {
            attempt(request)
        }
    }

    /// Waits for the file; what is ready already goes to task work at once, as the kernel does.
    private func wait(_ request: SimulatedRequest) {
        request.state = .waiting
        if request.file.readiness & (request.mask | PollMask.error | PollMask.hangUp) != 0 {
            // A stalled reader's bytes are there and not to be had: it is woken when they are.
            if let socket = request.file as? SimulatedSocket, request.kind == .receive,
                clock < socket.stalledUntil, socket.arrivedCount > 0
            {
                return request.file.waiters.append(request)
            }
            return request.ring.queueWork(request, self)
        }
        request.file.waiters.append(request)
    }

    /// A piece of task work: the file has woken the request, or it was cancelled.
    func run(_ request: SimulatedRequest) {
        if request.state == .ended { return }
        if request.isCancelled {
            let result = request.progress > 0 ? Int32(request.progress) : -ECANCELED
            return end(request, result, 0)
        }
        if request.kind != .accept, request.kind != .wakeRead, faults.fires(.again, &chance) {
            if request.kind == .receive || request.kind == .send {
                return end(request, request.progress > 0 ? Int32(request.progress) : -EAGAIN, 0)
            }
        }
        attempt(request)
    }

    private func attempt(_ request: SimulatedRequest) {
        switch request.kind {
        case .accept: attemptAccept(request)
        case .connect: attemptConnect(request)
        case .poll: attemptPoll(request)
        case .receive where request.isMultishot: attemptReceiveMany(request)
        case .receive: attemptReceive(request)
        case .send: attemptSend(request)
        case .wakeRead: attemptWakeRead(request)
        }
    }

    /// The last completion of a request.
    private func end(_ request: SimulatedRequest, _ result: Int32, _ flags: UInt32) {
        request.state = .ended
        request.file.waiters.removeAll { $0 === request }
        request.ring.requests.removeAll { $0 === request }
        _ = request.ring.post(request.userData, result, flags, self)
    }

    private func attemptPoll(_ request: SimulatedRequest) {
        let mask = request.file.readiness & request.mask
        if mask != 0 { return end(request, Int32(bitPattern: mask), 0) }
        if faults.fires(.spuriousReadiness, &chance) {
            return end(request, Int32(PollMask.input), 0)
        }
        wait(request)
    }

    private func attemptConnect(_ request: SimulatedRequest) {
        guard let socket = request.file as? SimulatedSocket else { return }
        switch socket.state {
        case .connecting: wait(request)
        case .established: end(request, 0, 0)
        default:
            let code = socket.error
            socket.error = 0
            end(request, code == 0 ? -ECONNABORTED : -code, 0)
        }
    }

    private func attemptWakeRead(_ request: SimulatedRequest) {
        let code = faults.use(.wakeRead)
        if code != 0 { return end(request, -code, 0) }
        guard let counter = request.file as? SimulatedEventFD else { return }
        if counter.count == 0 { return wait(request) }
        UnsafeMutableRawPointer(bitPattern: UInt(request.sqe.addr))!
            .storeBytes(of: counter.count, as: UInt64.self)
        counter.count = 0
        end(request, 8, 0)
    }

    private func attemptReceive(_ request: SimulatedRequest) {
        guard let socket = request.file as? SimulatedSocket else { return }
        let code = use(.receive, on: socket)
        if code != 0 { return end(request, -code, 0) }
        let result = socket.receive(
            UnsafeMutableRawPointer(bitPattern: UInt(request.sqe.addr))!, Int(request.sqe.len), self
        )
        if result == Int(-EAGAIN) { return wait(request) }
        end(request, Int32(result), 0)
    }

    private func attemptReceiveMany(_ request: SimulatedRequest) {
        guard let socket = request.file as? SimulatedSocket else { return }
        let ring = request.ring
        // The kernel lets others go first after 32 messages.
        for _ in 0..<32 {
            let code = use(.receiveMultishot, on: socket)
            if code != 0 { return end(request, -code, 0) }
            if socket.readiness & PollMask.input == 0 { return wait(request) }
            guard let buffer = ring.nextBuffer else {
                faults.happened(.noBuffers)
                return end(request, -ENOBUFS, 0)
            }
            let result = socket.receive(
                UnsafeMutableRawPointer(bitPattern: UInt(buffer.addr))!, Int(buffer.len), self)
            if result == Int(-EAGAIN) { return wait(request) }
            if result <= 0 { return end(request, Int32(result), 0) }
            ring.commitBuffer()
            let flags =
                CLiburing_CQE_F_BUFFER | UInt32(buffer.bid) << CLiburing_CQE_BUFFER_SHIFT
            if faults.fires(.lostMultishot, &chance) { return end(request, Int32(result), flags) }
            if !ring.post(request.userData, Int32(result), flags, isFurther: true, self) {
                return end(request, Int32(result), flags)
            }
        }
        ring.queueWork(request, self)
    }

    /// MSG_WAITALL: goes on until everything is taken, or something ends it.
    private func attemptSend(_ request: SimulatedRequest) {
        guard let socket = request.file as? SimulatedSocket else { return }
        let bytes = UnsafeRawPointer(bitPattern: UInt(request.sqe.addr))!
        let wanted = Int(request.sqe.len)
        while request.progress < wanted {
            let code = use(.send, on: socket)
            if code != 0 {
                return end(request, request.progress > 0 ? Int32(request.progress) : -code, 0)
            }
            let shortBefore = faults.fired[Fault.shortSend.rawValue]
            let result = socket.send(bytes + request.progress, wanted - request.progress, self)
            if result == Int(-EAGAIN) { return wait(request) }
            if result < 0 {
                return end(
                    request, request.progress > 0 ? Int32(request.progress) : Int32(result), 0)
            }
            request.progress += result
            // A signal, or a full memory, ends it early: a short send.
            if faults.fired[Fault.shortSend.rawValue] > shortBefore { break }
        }
        end(request, Int32(request.progress), 0)
    }

    private func attemptAccept(_ request: SimulatedRequest) {
        guard let listener = request.file as? SimulatedSocket else { return }
        let ring = request.ring
        while true {
            if listener.backlog.isEmpty { return wait(request) }
            let code = acceptFailure()
            if code != 0 {
                if code == ECONNABORTED { abandonFirst(listener) }
                return end(request, -code, 0)
            }
            let result: Int32
            if request.sqe.file_index != 0 {
                let child = listener.backlog.removeFirst()
                result = ring.install(child)
                if result < 0 {
                    // Accepted, and no place for it: the client is lost.
                    child.disturb()
                    dropName(child)
                    violation("accepted into a full direct table")
                }
            } else {
                result = processes[ring.process].open(listener.backlog[0])
                if result >= 0 { listener.backlog.removeFirst() }
            }
            guard request.isMultishot, result >= 0 else { return end(request, result, 0) }
            if faults.fires(.lostMultishot, &chance)
                || !ring.post(request.userData, result, 0, isFurther: true, self)
            {
                return end(request, result, 0)
            }
        }
    }

    func acceptFailure() -> Int32 {
        let code = faults.use(.accept)
        if code != 0 { return code }
        if faults.fires(.acceptAborted, &chance) { return ECONNABORTED }
        if faults.fires(.noDescriptor, &chance) { return EMFILE }
        if faults.fires(.noFile, &chance) { return ENFILE }
        if faults.fires(.noMemory, &chance) { return ENOMEM }
        return 0
    }

    /// The client at the head of the queue has reset its connection.
    func abandonFirst(_ listener: SimulatedSocket) {
        guard !listener.backlog.isEmpty else { return }
        let child = listener.backlog.removeFirst()
        child.disturb()
        transmit(.reset, from: child)
        child.isOrphan = true
    }

    // MARK: Cancelling

    private func cancel(_ sqe: io_uring_sqe, _ ring: SimulatedRing) -> Int32 {
        _ = faults.use(.cancel)
        guard let victim = ring.requests.first(where: { $0.userData == sqe.addr }) else {
            return -ENOENT
        }
        if victim.kind == .poll || victim.kind == .receive { faults.happened(.closeWhileArmed) }
        if victim.state == .queued, faults.fires(.cancelTooLate, &chance) {
            // It runs first, and ends by itself if it can.
            ring.work.removeAll { $0 === victim }
            attempt(victim)
            if victim.state == .ended { return -EALREADY }
            ring.work.removeAll { $0 === victim }
        }
        if let socket = victim.file as? SimulatedSocket, socket.state == .connecting {
            socket.isDisturbed = true
        }
        victim.isCancelled = true
        if victim.state == .queued { return 0 }
        victim.file.waiters.removeAll { $0 === victim }
        if faults.fires(.cancelledLast, &chance) {
            ring.queueWork(victim, self)
        } else {
            faults.happened(.cancelledFirst)
            run(victim)
        }
        return 0
    }
}
