// Stands where the engine's own `Kernel` stands, and forwards to the simulation.

import CLiburing
import CLinux
import Glibc

enum Kernel {
    private static var kernel: SimulatedKernel { SimulatedKernel.current }

    static var clock: UInt64 {
        guard let kernel = SimulatedKernel.current else { return 0 }
        kernel.clock &+= 25
        return kernel.clock
    }

    static func yield() {
        // Time passes for the others: what is underway arrives.
        kernel.clock &+= 10_000
        kernel.deliverDue()
    }

    static func close(_ fd: CInt) {
        kernel.tick()
        _ = kernel.faults.use(.close)
        _ = kernel.close(descriptor: fd, of: kernel.process)
    }

    // MARK: Wake-ups

    static func makeEventFD() -> CInt {
        kernel.processes[kernel.process].open(SimulatedEventFD())
    }

    static func signal(eventFD: CInt) {
        guard let counter = kernel.processes[kernel.process].file(eventFD) as? SimulatedEventFD
        else { return kernel.violation("\(eventFD) is no eventfd") }
        kernel.signal(counter)
    }

    static func clear(eventFD: CInt) {
        guard let counter = kernel.processes[kernel.process].file(eventFD) as? SimulatedEventFD
        else { return kernel.violation("\(eventFD) is no eventfd") }
        // It would block for ever.
        if counter.count == 0 { kernel.violation("an eventfd is read that is not signalled") }
        counter.count = 0
    }

    // MARK: Sockets

    static func makeSocket(isIPv6: Bool, flags: CInt) -> CInt {
        kernel.tick()
        let code = kernel.socketFailure()
        if code != 0 { return -code }
        return kernel.processes[kernel.process].open(kernel.makeSocket())
    }

    static func setOption(_ fd: CInt, level: CInt, name: CInt, value: CInt) -> CInt {
        kernel.tick()
        guard let socket = kernel.socket(fd) else { return -EBADF }
        return -kernel.use(.setOption, on: socket)
    }

    static func bind(_ fd: CInt, _ address: UnsafeRawPointer, byteCount: UInt32) -> CInt {
        kernel.tick()
        guard let socket = kernel.socket(fd) else { return -EBADF }
        return kernel.bind(socket, address)
    }

    static func connect(_ fd: CInt, _ address: UnsafeRawPointer, byteCount: UInt32) -> CInt {
        kernel.tick()
        guard let socket = kernel.socket(fd) else { return -EBADF }
        guard let destination = SocketAddress(readingFrom: address) else {
            return kernel.disconnect(socket)
        }
        let code = kernel.use(.connect, on: socket)
        if code != 0 { return -code }
        let result = kernel.startConnect(socket, to: destination)
        // Linux says so of every connect on a descriptor that does not block.
        return result == 0 && kernel.chance.once(in: 2) ? -EINPROGRESS : result
    }

    static func pendingError(of fd: CInt) -> CInt {
        kernel.tick()
        guard let socket = kernel.socket(fd) else { return EBADF }
        defer { socket.error = 0 }
        return socket.error
    }

    static func isConnected(_ fd: CInt) -> Bool {
        kernel.tick()
        return kernel.socket(fd)?.state == .established
    }

    static func hasClient(_ listener: CInt) -> Bool {
        kernel.socket(listener)?.backlog.isEmpty == false
    }

    static func accept(_ listener: CInt, flags: CInt) -> CInt {
        kernel.tick()
        guard let socket = kernel.socket(listener) else { return -EBADF }
        if socket.backlog.isEmpty { return -EAGAIN }
        let code = kernel.acceptFailure()
        if code != 0 {
            if code == ECONNABORTED { kernel.abandonFirst(socket) }
            return -code
        }
        let fd = kernel.processes[kernel.process].open(socket.backlog[0])
        if fd >= 0 { socket.backlog.removeFirst() }
        return fd
    }

    static func receive(_ fd: CInt, _ bytes: UnsafeMutableRawPointer, byteCount: Int) -> Int {
        kernel.tick()
        guard let socket = kernel.socket(fd) else { return Int(-EBADF) }
        let code = kernel.use(.receive, on: socket)
        if code == EAGAIN || kernel.faults.fires(.again, &kernel.chance) {
            return kernel.interrupted(socket)
        }
        if code != 0 { return Int(-code) }
        return socket.receive(bytes, byteCount, kernel)
    }

    static func send(_ fd: CInt, _ bytes: UnsafeRawPointer, byteCount: Int) -> Int {
        kernel.tick()
        guard let socket = kernel.socket(fd) else { return Int(-EBADF) }
        let code = kernel.use(.send, on: socket)
        if code != 0 { return Int(-code) }
        if kernel.faults.fires(.again, &kernel.chance) { return Int(-EINTR) }
        return socket.send(bytes, byteCount, kernel)
    }

    static func setAbortiveClose(_ fd: CInt) -> CInt {
        guard let socket = kernel.socket(fd) else { return -EBADF }
        socket.isAbortive = true
        return 0
    }
}

extension SimulatedKernel {
    /// A readiness call that says EAGAIN owes an event when its bytes can be had.
    fileprivate func interrupted(_ socket: SimulatedSocket) -> Int {
        arrivals.push(.room, to: socket, at: clock + 1_000)
        return Int(-EAGAIN)
    }
}

// MARK: epoll

extension Kernel {
    static func makeEpoll() -> CInt {
        let code = kernel.faults.use(.makeEpoll)
        return code != 0 ? -code : kernel.processes[kernel.process].open(SimulatedEpoll())
    }

    static func control(
        _ epoll: CInt, _ operation: CInt, _ fd: CInt, events: UInt32, data: UInt64
    ) -> CInt {
        kernel.tick()
        let table = kernel.processes[kernel.process]
        guard let epoll = table.file(epoll) as? SimulatedEpoll, let file = table.file(fd)
        else { return -EBADF }
        if file is SimulatedSocket, data >> 56 != 1 {
            let code = kernel.faults.use(.control)
            if code != 0 {
                kernel.socket(fd)?.disturb()
                return -code
            }
            if operation == EPOLL_CTL_ADD, kernel.faults.fires(.noWatch, &kernel.chance) {
                kernel.socket(fd)?.disturb()
                return -ENOSPC
            }
        }
        return epoll.control(operation, file, events: events, data: data, kernel)
    }

    static func waitForEvents(
        _ epoll: CInt, _ events: UnsafeMutablePointer<epoll_event>, count: CInt, timeout: Int64
    ) -> CInt {
        kernel.tick()
        kernel.deliverDue()
        guard let epoll = kernel.processes[kernel.process].file(epoll) as? SimulatedEpoll
        else { return -EBADF }
        if kernel.faults.use(.wait) != 0 { return -EINTR }
        if kernel.faults.fires(.enterInterrupted, &kernel.chance) { return -EINTR }
        let taken = epoll.take(events, Int(count), kernel)
        if taken > 0 || timeout == 0 { return CInt(taken) }
        // The process sleeps. Its turn ends as by a signal, and it gets the next one when Linux
        // would have woken it.
        kernel.sleep(in: epoll, until: 1, timeout: timeout)
        return -EINTR
    }
}

// MARK: io_uring

extension Kernel {
    typealias Ring = UnsafeMutablePointer<io_uring>

    private static func ring(_ ring: Ring) -> SimulatedRing {
        self.ring(fd: UInt32(ring.pointee.ring_fd))
    }

    private static func ring(fd: UInt32) -> SimulatedRing {
        guard let ring = kernel.processes[kernel.process].file(CInt(fd)) as? SimulatedRing
        else { fatalError("descriptor \(fd) is no ring") }
        return ring
    }

    static func makeRing(
        entries: UInt32, _ ring: Ring, _ parameters: inout io_uring_params
    ) -> Int32 {
        let code = kernel.faults.use(.makeRing)
        if code != 0 { return -code }
        // A process that cannot make its first ring does not begin; that is the n-th fault's.
        let isFurther = kernel.rings.contains { $0.process == kernel.process }
        if isFurther, kernel.faults.fires(.noMemory, &kernel.chance) { return -ENOMEM }
        let isDeferred = parameters.flags & CLiburing_SETUP_DEFER_TASKRUN != 0
        let made = SimulatedRing(
            process: kernel.process, entries: entries, completions: parameters.cq_entries,
            isDeferred: isDeferred)
        let fd = kernel.processes[kernel.process].open(made)
        if fd < 0 { return fd }
        kernel.rings.append(made)
        parameters.features = kernel.features
        made.describe(to: ring, fd: fd)
        return 0
    }

    static func endRing(_ ring: Ring) {
        let ended = self.ring(ring)
        kernel.rings.removeAll { $0 === ended }
        _ = kernel.close(descriptor: CInt(ring.pointee.ring_fd), of: kernel.process)
    }

    static func enterRing(
        fd: UInt32, submit: UInt32, minComplete: UInt32, flags: UInt32, timeout: Int64,
        minWait: UInt32
    ) -> Int32 {
        kernel.tick()
        kernel.deliverDue()
        let ring = ring(fd: fd)
        if !ring.isEnabled { kernel.violation("a ring is entered that is not enabled") }
        let code = kernel.faults.use(.enter)
        if code != 0 { return -code }
        if kernel.faults.fires(.enterInterrupted, &kernel.chance) { return -EINTR }
        if kernel.faults.fires(.enterBusy, &kernel.chance) { return -EBUSY }
        if submit > 0, kernel.faults.fires(.enterAgain, &kernel.chance) { return -EAGAIN }
        var taken: UInt32 = 0
        if submit == ring.submissionCount { kernel.faults.happened(.submissionQueueFull) }
        while taken < submit, ring.pending > 0 {
            if taken > 0, kernel.faults.fires(.shortSubmit, &kernel.chance) { return Int32(taken) }
            kernel.issue(ring.nextSubmission(), ring)
            kernel.deliverDue()
            taken += 1
        }
        let getsEvents = flags & CLiburing_ENTER_GETEVENTS != 0
        if getsEvents { ring.flushOverflow() }
        if getsEvents || !ring.isDeferred { kernel.runWork(of: ring, max(20, Int(minComplete))) }
        if !getsEvents || minComplete == 0 || ring.ready >= minComplete || timeout == 0 {
            return Int32(taken)
        }
        if ring.ready > 0 {
            // After the minimal wait one completion is enough; or a signal ends the wait.
            kernel.clock &+= UInt64(minWait) * 1_000
            return Int32(taken)
        }
        kernel.sleep(in: ring, until: Int(minComplete), timeout: timeout, minWait: minWait)
        return taken > 0 ? Int32(taken) : -EINTR
    }

    /// The simulated rings have no registered index.
    static func registerDescriptor(of ring: Ring) -> Int32 { 0 }

    static func limitWorkers(of ring: Ring, to count: UInt32) -> Int32 { 0 }

    static func registerFiles(_ ring: Ring, count: UInt32) -> Int32 {
        let code = kernel.faults.use(.registerFiles)
        if code != 0 { return -code }
        self.ring(ring).slots = Array(repeating: nil, count: Int(count))
        return 0
    }

    static func restrict(_ ring: Ring, _ restrictions: inout [io_uring_restriction]) -> Int32 {
        let code = kernel.faults.use(.restrict)
        if code != 0 { return -code }
        self.ring(ring).allowed = Set(
            restrictions.filter { $0.opcode == CLiburing_RESTRICTION_SQE_OP }.map(\.sqe_op))
        return 0
    }

    static func enable(_ ring: Ring) -> Int32 {
        self.ring(ring).isEnabled = true
        return 0
    }

    static func updateFile(_ ring: Ring, slot: UInt32, fd: CInt) -> Int32 {
        let code = kernel.faults.use(.updateFile)
        if code != 0 {
            self.ring(ring).unmade.insert(slot)
            return -code
        }
        guard let file = kernel.processes[kernel.process].file(fd) else { return -EBADF }
        let ring = self.ring(ring)
        if ring.slots[Int(slot)] != nil { kernel.violation("slot \(slot) is filled twice") }
        file.names += 1
        ring.slots[Int(slot)] = file
        return 1
    }

    static func registerEventFD(_ ring: Ring, _ eventFD: CInt) -> Int32 {
        let code = kernel.faults.use(.registerEventFD)
        if code != 0 { return -code }
        self.ring(ring).eventFD =
            kernel.processes[kernel.process].file(eventFD) as? SimulatedEventFD
        return 0
    }

    static func registerBufferRing(_ ring: Ring, _ registration: inout io_uring_buf_reg) -> Int32 {
        let code = kernel.faults.use(.registerBuffers)
        if code != 0 { return -code }
        if kernel.faults.fires(.noMemory, &kernel.chance) { return -ENOMEM }
        let ring = self.ring(ring)
        ring.buffers = UnsafeMutablePointer(bitPattern: UInt(registration.ring_addr))
        ring.bufferCount = registration.ring_entries
        return 0
    }

    static func supports(_ ring: Ring, _ operation: UInt8) -> Bool {
        operation == CLiburing_OP_BIND ? kernel.hasBind : true
    }
}

extension SimulatedKernel {
    /// Runs at most `count` pieces of a ring's task work.
    func runWork(of ring: SimulatedRing, _ count: Int) {
        var rest = count
        while rest > 0, let request = ring.takeWork() {
            run(request)
            rest -= 1
        }
        ring.lowerFlag()
    }
}
