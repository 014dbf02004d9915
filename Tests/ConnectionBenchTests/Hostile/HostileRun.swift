// One backend under all attacks, one after the other, with a calm time before each.

import CLinux
import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

/// SCHED_IDLE of sched(7), which Glibc's module does not have: attackers may have what nobody else
/// wants, for on few processors an attack at full speed would show only that somebody else uses
/// them. Nice 19 is not enough: since Linux 6.6 it keeps the processor to the end of its slice, some
/// 3 ms, whoever wakes up.
private let idlePolicy: CInt = 5

/// Runs `body` on a thread of its own at the lowest priority, in a namespace; threads that it begins
/// have both too.
func politely<Result: Sendable>(
    in namespace: NetworkNamespace, _ body: @escaping @Sendable () throws -> Result
) throws -> Result {
    let answer = Locked<Swift.Result<Result, any Error>?>(nil)
    let thread = try BackgroundThread("attacker") {
        var parameters = sched_param()
        // A thread's own, on Linux.
        let code = sched_setscheduler(0, idlePolicy, &parameters)
        let outcome: Swift.Result<Result, any Error> =
            code == 0
            ? Swift.Result { try namespace.inside(body) }
            : .failure(SystemError(Errno(errno), call: "sched_setscheduler"))
        answer.withLock { $0 = outcome }
    }
    thread.join()
    return try #require(answer.withLock { $0 }).get()
}

final class HostileRun {
    /// The bound; asserted by `make hostile` only, which wants a quiet machine.
    static let p99RatioMax = 3.0

    let figures: HostileFigures
    let backend: BackendKind
    let namespace: NetworkNamespace
    let server: HostileServer
    let honest = HonestRecord()
    private let honestEngine: Engine
    var verdicts: [AttackVerdict] = []
    /// Called after each verdict, so that a run that is cut off leaves what it has.
    var hasJudged: (HostileRun) throws -> Void = { _ in }

    init(_ backend: BackendKind, _ figures: HostileFigures) throws {
        self.backend = backend
        self.figures = figures
        namespace = try NetworkNamespace()
        // A peer that does not read shall meet the server's bounds, not those of megabytes of kernel
        // buffers: 512 of them would be throttled by tcp_mem, which is the whole machine's.
        try namespace.setSysctl("net.ipv4.tcp_rmem", "4096 32768 131072")
        try namespace.setSysctl("net.ipv4.tcp_wmem", "4096 32768 131072")
        server = try HostileServer(
            backend, in: namespace, connections: figures.connectionsMax,
            quietLimits: figures.quietLimits)
        var configuration = Configuration(backend: .epoll)
        configuration.limits.connections = UInt32(figures.honestClients)
        configuration.limits.buffers = 1_024
        let address = server.address
        let record = honest
        honestEngine = try namespace.inside { () throws(SystemError) in
            try Engine(configuration) { [figures] _ in
                HonestClients(
                    to: address, from: SocketAddress(ipv4: 0x7f41_0001, port: 0),
                    count: figures.honestClients, intervalSeconds: figures.honestIntervalSeconds,
                    record: record)
            }
        }
        try eventually("all honest clients are echoed") {
            honest.state.answered >= 3 * figures.honestClients
        }
    }

    /// Ends clients and server, and checks that both ended well.
    func end() throws {
        honestEngine.stop()
        try honestEngine.join()
        #expect(!server.end(), "the server had to be killed")
        #expect(honest.state.wrong == 0)
    }

    // MARK: Attacks

    /// What an attack tells about itself at its end.
    struct Outcome: Sendable {
        var done = 0
        var bytesSent = 0
        var wrong = 0
    }

    /// With the engine as attacker.
    func attack(_ kind: AttackPlan.Kind) throws {
        let plan = figures.plan(kind)
        let record = AttackRecord()
        let address = server.address
        var configuration = Configuration(backend: .epoll)
        configuration.limits.connections = UInt32(plan.atOnce + 64)
        configuration.limits.buffers = 8_192
        configuration.limits.bufferByteCount = 4_096
        let attackers = configuration
        let wanted = plan.count
        try judge(kind.rawValue, wanted: wanted, perSecondMax: plan.perSecond) { midst in
            let engine = try politely(in: namespace) {
                try Engine(attackers) { _ in AttackHandler(plan, to: address, record: record) }
            }
            defer { engine.stop() }
            try eventually("\(kind.rawValue) is over", seconds: 900) {
                let state = record.state
                try midst(min(1, Double(state.done) / Double(wanted)))
                return state.isOver
            }
            engine.stop()
            try engine.join()
            let state = record.state
            return Outcome(done: state.done, bytesSent: state.bytesSent, wrong: state.wrong)
        }
    }

    /// With sockets of their own.
    func attackWithSockets(
        _ name: String, wanted: Int, perSecond: Double,
        _ body: @escaping @Sendable (SocketAttack) throws -> Void
    ) throws {
        let record = SocketAttackRecord()
        let address = server.address
        let namespace = namespace
        try judge(name, wanted: wanted, perSecondMax: perSecond) { midst in
            let ended = Locked<Swift.Result<Void, any Error>?>(nil)
            let thread = try BackgroundThread("attack") {
                let outcome = Swift.Result {
                    try politely(in: namespace) {
                        try body(SocketAttack(to: address, record: record))
                    }
                }
                ended.withLock { $0 = outcome }
            }
            defer { thread.join() }
            try eventually("\(name) is over", seconds: 900) {
                try midst(min(1, Double(record.state.done) / Double(wanted)))
                return ended.withLock { $0 != nil }
            }
            try ended.withLock { $0 }?.get()
            let state = record.state
            return Outcome(done: state.done, bytesSent: state.bytesSent, wrong: state.wrong)
        }
    }
}

/// Looks every two milliseconds until `condition` holds; fails, rather than hangs, at the deadline.
func eventually(
    _ what: String, seconds: Double = 60, _ condition: () throws -> Bool
) throws {
    let deadline = MonotonicTime.now.advanced(byNanoseconds: UInt64(seconds * 1e9))
    while try !condition() {
        try #require(MonotonicTime.now < deadline, "waited \(seconds) s in vain: \(what)")
        usleep(2_000)
    }
}
