// The simulated kernel: one virtual clock, one network, a descriptor table for each process.

import CLiburing
import Glibc

final class SimulatedKernel {
    /// The one that `Kernel` forwards to. Simulations run one after the other, on one thread.
    nonisolated(unsafe) static var current: SimulatedKernel!

    var clock: UInt64 = 1_000_000_000
    var chance: SimulatedChance
    var faults: Faults
    /// Whose calls are being made.
    var process = 0
    var processes: [SimulatedProcess]
    /// What each process sleeps in; `nil`: it does not sleep.
    var sleeps: [Sleep?]
    var rings: [SimulatedRing] = []
    /// Features of io_uring, by IORING_FEAT_*.
    var features: UInt32 =
        CLiburing_FEAT_EXT_ARG | CLiburing_FEAT_NODROP | CLiburing_FEAT_MIN_TIMEOUT
    var hasBind = true

    // The network.
    var arrivals = ArrivalQueue()
    var isDelivering = false
    /// Nanoseconds; 0: loopback, where a segment arrives within the call that sends it.
    var delayMax = 0
    var listeners: [SimulatedSocket] = []
    /// Every socket ever made: peers point to each other without owning.
    private var sockets: [SimulatedSocket] = []
    var tuples: Set<Tuple> = []
    var nextPort: UInt16 = 40_000
    var window = 4_096
    /// A send may be taken in part when there is little room.
    var splitsSends = false

    /// What the engine did that no kernel would let pass; empty: nothing.
    private(set) var violations: [String] = []

    struct Sleep {
        let file: SimulatedFile
        /// Completions that end it.
        let count: Int
        var deadline: UInt64
        /// From then on one completion is enough.
        let minWaitEnd: UInt64
    }

    init(processes: Int, faults: Faults, chance: SimulatedChance) {
        self.chance = chance
        self.faults = faults
        self.processes = Array(repeating: SimulatedProcess(), count: processes)
        self.sleeps = Array(repeating: nil, count: processes)
    }

    /// Nothing is underway, no client waits to be accepted, and no completion to be read.
    var isQuiet: Bool {
        arrivals.isEmpty && listeners.allSatisfy { $0.backlog.isEmpty }
            && rings.allSatisfy { $0.ready == 0 && $0.work.isEmpty && !$0.hasOverflow }
    }

    func violation(_ text: String) {
        violations.append(text)
    }

    /// Counts a use, for the n-th fault; an error that the engine must report, and not only repeat,
    /// disturbs the connection.
    func use(_ kind: OperationKind, on file: SimulatedFile?) -> Int32 {
        let code = faults.use(kind)
        if code != 0, code != EAGAIN, code != EINTR { (file as? SimulatedSocket)?.disturb() }
        return code
    }

    /// Each call takes its time.
    @inline(__always)
    func tick() {
        clock &+= 200 &+ (chance.next() & 0x3ff)
        if faults.fires(.clockJump, &chance) {
            clock &+= UInt64(chance.below(3_000_000_000))
        }
    }

    // MARK: Files

    func makeSocket() -> SimulatedSocket {
        let socket = SimulatedSocket(number: sockets.count)
        socket.window = window
        sockets.append(socket)
        return socket
    }

    /// A listening socket in a process's table.
    func listen(_ process: Int, on address: SocketAddress, backlog: Int) -> CInt {
        let socket = makeSocket()
        socket.state = .listening
        socket.local = address
        socket.backlogMax = backlog
        listeners.append(socket)
        return processes[process].open(socket)
    }

    func removeListener(_ socket: SimulatedSocket) {
        listeners.removeAll { $0 === socket }
    }

    func dropName(_ file: SimulatedFile) {
        file.names -= 1
        if file.names == 0 {
            for watch in file.watches { watch.isRemoved = true }
            file.watches = []
            file.ended(self)
        }
    }

    func close(descriptor fd: CInt, of process: Int) -> Int32 {
        guard let file = processes[process].file(fd) else {
            if fd >= 0 { violation("descriptor \(fd) is closed twice") }
            return -EBADF
        }
        checkUnused(file)
        _ = processes[process].close(fd)
        dropName(file)
        return 0
    }

    func socket(_ fd: CInt) -> SimulatedSocket? {
        processes[process].file(fd) as? SimulatedSocket
    }

    func signal(_ counter: SimulatedEventFD) {
        counter.count += 1
        wake(counter, PollMask.input)
    }

    // MARK: Waking

    /// Something has happened to a file: its waiting requests become task work, its watches events.
    func wake(_ file: SimulatedFile, _ mask: UInt32) {
        if !file.waiters.isEmpty {
            let always = PollMask.error | PollMask.hangUp
            let woken = file.waiters.filter { $0.mask & mask != 0 || mask & always != 0 }
            if !woken.isEmpty {
                file.waiters.removeAll { waiter in woken.contains { $0 === waiter } }
                for request in woken { request.ring.queueWork(request, self) }
            }
        }
        for watch in file.watches { watch.happened(mask, self) }
    }

    // MARK: Sleeping

    func sleep(
        in file: SimulatedFile, until count: Int, timeout: Int64, minWait: UInt32 = 0
    ) {
        sleeps[process] = Sleep(
            file: file, count: max(count, 1),
            deadline: timeout < 0 ? .max : clock &+ UInt64(timeout),
            minWaitEnd: minWait == 0 ? .max : clock &+ 1_000 * UInt64(minWait))
    }

    /// When a process would be woken if nothing else happened; 0: it runs.
    func wakeTime(of process: Int) -> UInt64 {
        guard let sleep = sleeps[process] else { return 0 }
        if let ring = sleep.file as? SimulatedRing {
            let count = Int(ring.ready) + ring.work.count
            if count >= sleep.count || ring.hasOverflow { return 0 }
            if count > 0 { return min(sleep.minWaitEnd, sleep.deadline) }
        } else if let epoll = sleep.file as? SimulatedEpoll, epoll.hasEvents(self) {
            return 0
        }
        return sleep.deadline
    }

    /// Numbers of the connections that something beyond the handlers has hit, by their source; -1
    /// for those without one.
    func disturbedNumbers(from base: UInt32) -> Set<Int> {
        var numbers: Set<Int> = []
        for socket in sockets where socket.isDisturbed {
            for address in [socket.local, socket.remote] where address.port != 7_000 {
                let offset = Int(truncatingIfNeeded: address.low) - Int(base)
                numbers.insert(offset >= 0 && address.low != 0x7f00_0001 ? offset : -1)
            }
        }
        return numbers
    }

    /// Breaks the references between files, so that a seed's memory is freed.
    func dismantle() {
        for socket in sockets {
            socket.waiters = []
            socket.watches = []
            socket.backlog = []
        }
        for ring in rings {
            ring.requests = []
            ring.work = []
        }
        sockets = []
        listeners = []
        rings = []
        processes = []
        sleeps = []
    }
}
