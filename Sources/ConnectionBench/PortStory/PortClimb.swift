// One strategy from an empty port range to a full one, in a network namespace of its own.

import CLinux
import ConnectionEngine
import Glibc

/// Connects from one address to one destination until no source port is left.
///
/// The other end is a listening socket of this process that never accepts: its queue is long enough
/// for all of them. They are established all the same, take no descriptor, and no second process's
/// scheduling is in the figures.
struct PortClimb {
    let plan: PortStoryPlan
    let strategy: PortStrategy
    let tuples: TuplePlan
    private let namespace: NetworkNamespace
    private let listener: CInt

    init(_ plan: PortStoryPlan, _ strategy: PortStrategy) throws {
        self.plan = plan
        self.strategy = strategy
        tuples = try TuplePlan(
            connections: plan.ports,
            sources: SourceRange(
                addresses: [PortStoryPlan.address], ports: plan.portFirst...plan.portLast),
            destinations: [PortStoryPlan.listening])
        precondition(tuples.capacity == plan.ports)
        namespace = try NetworkNamespace()
        try namespace.setSysctl(
            "net.ipv4.ip_local_port_range", "\(plan.portFirst) \(plan.portLast)")
        let backlog = plan.ports + 1_024
        try namespace.setSysctl("net.core.somaxconn", "\(backlog)")
        // A lost SYN is repeated twice, for 7 seconds at most: Ctrl-C and the deadline wait for it.
        try namespace.setSysctl("net.ipv4.tcp_syn_retries", "2")
        listener = try namespace.inside { () throws(SystemError) in
            try Self.listen(PortStoryPlan.listening, backlog: backlog)
        }
    }

    private static func listen(
        _ address: SocketAddress, backlog: Int
    ) throws(SystemError) -> CInt {
        let fd = try PortStrategy.openSocket()
        var code = PlainSocket.bind(fd, to: address)
        if code == 0 { code = Glibc.listen(fd, CInt(backlog)) == 0 ? 0 : errno }
        guard code == 0 else {
            close(fd)
            throw SystemError(Errno(code), call: "listen on \(address) in a namespace of its own")
        }
        return fd
    }

    /// Climbs to the end, and closes everything. To be called once.
    ///
    /// - Parameter isInterrupted: asked every few milliseconds.
    func perform(
        isInterrupted: () -> Bool, report: (_ connections: Int) -> Void
    ) throws(SystemError) -> PortClimbResult {
        try namespace.inside { () throws(SystemError) in
            try climb(isInterrupted: isInterrupted, report: report)
        }
    }

    private func climb(
        isInterrupted: () -> Bool, report: (Int) -> Void
    ) throws(SystemError) -> PortClimbResult {
        var open: [CInt] = []
        open.reserveCapacity(plan.ports)
        defer {
            // The listener first: it resets what nobody accepted, and nothing is left in TIME_WAIT.
            close(listener)
            for fd in open { close(fd) }
        }
        let ports = plan.portFirst...plan.portLast
        let usageBegan = ThreadUsage.read()
        let began = MonotonicTime.now
        let deadline = began.advanced(byNanoseconds: UInt64(plan.secondsPerStrategy * 1e9))
        var lookAt = began
        var meter = PortMeter(ports: plan.ports)
        var end: (PortClimbResult.End, errno: Errno?)?
        while end == nil {
            let fd = try PortStrategy.openSocket()
            // Beyond its last tuple the planner has none; the kernel must refuse the first one.
            let tuple = tuples[meter.connections % plan.ports]
            let start = MonotonicTime.now
            let code = strategy.connect(fd, tuple, range: ports)
            let now = MonotonicTime.now
            guard code == 0 else {
                close(fd)
                end = (code == EADDRNOTAVAIL ? .exhausted : .failed, Errno(code))
                break
            }
            open.append(fd)
            precondition(open.count <= plan.ports, "more connections than source ports")
            meter.add(nanoseconds: now.nanoseconds(since: start))
            // With all ports in use one more connect is left, which shows that they are.
            if now > deadline, open.count < plan.ports { end = (.outOfTime, nil) }
            if now > lookAt {
                lookAt = now.advanced(byNanoseconds: 5_000_000)
                report(open.count)
                if isInterrupted() { end = (.interrupted, nil) }
            }
        }
        let seconds = MonotonicTime.now.seconds(since: began)
        let points = meter.finish()
        let usage = ThreadUsage.read()
        let used = open.map(Self.sourcePort)
        return PortClimbResult(
            strategy: strategy, explanation: strategy.explanation, end: end?.0 ?? .failed,
            errno: end?.errno?.name, connections: open.count, distinctPorts: Set(used).count,
            evenPortsInFirstHalf: used.prefix(plan.ports / 2).count { $0 % 2 == 0 },
            seconds: seconds, userSeconds: usage.userSeconds - usageBegan.userSeconds,
            systemSeconds: usage.systemSeconds - usageBegan.systemSeconds, points: points)
    }

    private static func sourcePort(of fd: CInt) -> UInt16 {
        do throws(SystemError) {
            return try PlainSocket.localAddress(of: fd).port
        } catch {
            preconditionFailure("\(error)")
        }
    }
}
