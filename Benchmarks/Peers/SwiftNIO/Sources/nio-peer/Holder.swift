// Opens connections from several source addresses, a bounded number in flight, and holds them.

import Glibc
import NIOCore
import NIOPosix

/// Lives on the event loop.
private final class Connector {
    /// Connects in flight: enough to keep the loop busy, few enough for any accept queue.
    static let window = 256
    private let bootstrap: ClientBootstrap
    private let destination: SocketAddress
    private let plan: SourcePlan
    private let done: EventLoopPromise<Void>
    private var started = 0
    private var connected = 0
    private var channels: [any Channel] = []

    init(
        _ bootstrap: ClientBootstrap, to destination: SocketAddress, plan: SourcePlan,
        done: EventLoopPromise<Void>
    ) {
        self.bootstrap = bootstrap
        self.destination = destination
        self.plan = plan
        self.done = done
        channels.reserveCapacity(plan.count)
    }

    func start() {
        for _ in 0..<min(Connector.window, plan.count) { connectNext() }
    }

    private func connectNext() {
        let source: SocketAddress
        do {
            source = try plan.source(started)
        } catch {
            return done.fail(error)
        }
        started += 1
        bootstrap.bind(to: source).connect(to: destination).assumeIsolated().whenComplete {
            switch $0 {
            case .failure(let error): self.done.fail(error)
            case .success(let channel): self.opened(channel)
            }
        }
    }

    private func opened(_ channel: any Channel) {
        channels.append(channel)
        connected += 1
        if started < plan.count { connectNext() }
        if connected == plan.count { done.succeed() }
    }
}

/// Which source address and port a connection has, from its number.
struct SourcePlan {
    /// Below the range that the kernel chooses from by itself on most machines (32,768 and up).
    static let ports = 20_000..<28_000
    let count: Int
    /// Another one for each process, so that no two runs meet in the same tuples.
    let network = UInt8(truncatingIfNeeded: 1 + getpid() % 250)

    func source(_ number: Int) throws -> SocketAddress {
        let (row, column) = number.quotientAndRemainder(dividingBy: SourcePlan.ports.count)
        return try SocketAddress(
            ipAddress: "127.200.\(network).\(1 + row)", port: SourcePlan.ports.lowerBound + column)
    }
}

enum Holder {
    static func run(_ options: Options, on group: MultiThreadedEventLoopGroup) throws {
        let loop = group.next()
        let done = loop.makePromise(of: Void.self)
        let destination = try SocketAddress(ipAddress: "127.0.0.1", port: options.port)
        let plan = SourcePlan(count: options.connections)
        let begin = NIODeadline.now()
        loop.execute {
            let bootstrap = ClientBootstrap(group: loop)
                .channelOption(.socketOption(.so_reuseaddr), value: 1)
            Connector(bootstrap, to: destination, plan: plan, done: done).start()
        }
        do {
            try done.futureResult.wait()
        } catch {
            fail("connect: \(error)", code: 1)
        }
        let seconds = Double((NIODeadline.now() - begin).nanoseconds) / 1e9
        print(
            "{\"connections\":\(options.connections),\"seconds\":\(seconds),"
                + "\"connects_per_second\":\(Double(options.connections) / seconds)}")
        fflush(nil)
    }
}
