// What may go wrong in the simulated kernel, how often, and how often it did.

import Glibc

/// One kind of fault. Most are chance; some (marked) are what the seed's narrow bounds bring about.
enum Fault: Int, CaseIterable {
    case shortReceive, shortSend
    /// A RST out of nowhere: a middlebox, a peer's crash.
    case reset
    case refused
    /// A connect, or an established connection, of which nothing is heard for minutes.
    case timedOut
    case addressInUse
    /// A completion, or a call, that says EAGAIN although there was something to do.
    case again
    case enterInterrupted, enterBusy, enterAgain, shortSubmit
    /// By narrow bounds.
    case submissionQueueFull
    /// By narrow bounds: completions kept beside a full queue.
    case overflow
    /// A multishot request ends for no reason.
    case lostMultishot
    /// By narrow bounds: a multishot receive found its buffer ring empty.
    case noBuffers
    /// EMFILE, ENFILE, ENOMEM of accept, socket, a ring, a buffer ring, epoll_ctl.
    case noDescriptor, noFile, noMemory, noWatch
    /// ECONNABORTED of accept: the client has gone.
    case acceptAborted
    /// Completions of different sockets change places.
    case reorder
    /// By narrow bounds: closed with a poll or a receive in flight.
    case closeWhileArmed
    /// The peer's machine has vanished: it neither answers nor ends.
    case halfOpen
    /// An event without cause, and the same one twice.
    case spuriousReadiness, duplicatedReadiness
    case clockJump
    /// A receiver reads nothing for a while, so its window closes.
    case slowConsumer
    /// The cancel finds its victim already running.
    case cancelTooLate
    /// The cancelled request is answered before the cancel, and after it.
    case cancelledFirst, cancelledLast
}

/// A fault to be injected exactly once: for the n-th-fault loop.
struct NthFaultPlan {
    var kind: OperationKind
    /// From 1.
    var n: Int
    /// A positive errno.
    var code: Int32
}

/// Kinds of calls and requests, counted for the n-th-fault loop.
enum OperationKind: Int, CaseIterable {
    case enter, makeRing, registerFiles, registerEventFD, registerBuffers, updateFile, restrict
    case accept, socket, setOption, bind, connect, poll, receive, receiveMultishot, send, close
    case cancel, disconnect, wakeRead
    case makeEpoll, control, wait

    /// The errors that Linux may give for it, and that the engine must survive.
    var codes: [Int32] {
        switch self {
        case .enter: [EINTR, EAGAIN, EBUSY]
        case .makeRing: [ENOMEM, EMFILE]
        case .registerFiles, .registerEventFD, .registerBuffers: [ENOMEM]
        case .updateFile: [ENOMEM]
        case .restrict: [ENOMEM, EINVAL]
        case .accept: [EMFILE, ENFILE, ENOMEM, ENOBUFS, ECONNABORTED, EINTR]
        case .socket: [EMFILE, ENFILE, ENOMEM]
        case .setOption: [ENOMEM]
        case .bind: [EADDRINUSE, EADDRNOTAVAIL]
        case .connect: [ECONNREFUSED, ETIMEDOUT, EADDRNOTAVAIL, ENETUNREACH, EHOSTUNREACH]
        case .poll: [ENOMEM]
        case .receive, .receiveMultishot: [EAGAIN, ECONNRESET, ETIMEDOUT, ENOMEM, EHOSTUNREACH]
        case .send: [EAGAIN, EPIPE, ECONNRESET, ENOBUFS, ENOMEM]
        case .close: [EINTR, EIO]
        // Linux cancels what it finds.
        case .cancel, .disconnect: []
        case .wakeRead: [EAGAIN, EINTR]
        case .makeEpoll: [EMFILE, ENOMEM]
        case .control: [ENOSPC, ENOMEM]
        case .wait: [EINTR]
        }
    }
}

/// The faults of one seed.
struct Faults {
    /// For each fault: once in so many chances; 0: never.
    var period = [Int](repeating: 0, count: Fault.allCases.count)
    private(set) var fired = [UInt64](repeating: 0, count: Fault.allCases.count)
    private(set) var uses = [Int](repeating: 0, count: OperationKind.allCases.count)
    var nth: NthFaultPlan?
    private(set) var nthFired = false
    /// Off: nothing by chance from here on, so that everything has to drain.
    var areOn = true

    static let none = Faults()

    /// Whole kinds are switched off at random, the others get a rate of their own ("swarm testing",
    /// Groce and others 2012): a fault that fires all the time hides what another one would show.
    static func swarm(_ chance: inout SimulatedChance) -> Faults {
        var faults = Faults()
        if chance.once(in: 8) { return faults }
        for fault in Fault.allCases {
            let (rate, periods) = fault.swarm
            if chance.once(in: rate) {
                faults.period[fault.rawValue] = 1 << chance.within(periods)
            }
        }
        return faults
    }

    @inline(__always)
    mutating func fires(_ fault: Fault, _ chance: inout SimulatedChance) -> Bool {
        let period = self.period[fault.rawValue]
        if period == 0 || !areOn || !chance.once(in: period) { return false }
        fired[fault.rawValue] += 1
        return true
    }

    /// Whether a kind is switched on in this seed.
    func mayFire(_ fault: Fault) -> Bool { period[fault.rawValue] > 0 && areOn }

    @inline(__always)
    mutating func happened(_ fault: Fault) {
        fired[fault.rawValue] += 1
    }

    /// Counts a use; returns the errno to fail with, or 0.
    @inline(__always)
    mutating func use(_ kind: OperationKind) -> Int32 {
        uses[kind.rawValue] += 1
        guard let nth, nth.kind == kind, nth.n == uses[kind.rawValue] else { return 0 }
        nthFired = true
        return nth.code
    }
}

extension Fault {
    /// In one of how many seeds it is switched on, and the powers of two of its rate there. What
    /// ends connections must be rare, else nothing else ever happens; what has few chances, often.
    fileprivate var swarm: (seeds: Int, periods: ClosedRange<Int>) {
        switch self {
        case .reset, .clockJump: (3, 4...12)
        case .refused, .timedOut, .halfOpen: (3, 2...6)
        case .noWatch, .acceptAborted: (2, 1...5)
        case .noDescriptor, .noFile, .noMemory, .addressInUse: (3, 3...9)
        case .slowConsumer: (3, 2...8)
        case .cancelTooLate, .cancelledLast: (1, 0...2)
        default: (3, 1...8)
        }
    }
}
