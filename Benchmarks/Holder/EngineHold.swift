// The engine as a client that opens connections and holds them: the peers' command line.
//
//     engine-hold uring --port 7000 --cpu 1 --seconds 60 --connections 9000
//
// One worker on one processor, sources from a TuplePlan, a bounded number of connects in flight. Prints
// a line of JSON when all are open; ends by itself.

import ConnectionBench
import ConnectionEngine
import Glibc
import Synchronization

/// Connects in flight, as in the SwiftNIO peer.
let window = 256

final class Outcome: Sendable {
    /// Set when the worker is ready to connect: its making does not count, as in the other clients.
    let startedAt = Atomic<UInt64>(0)
    let openedAt = Atomic<UInt64>(0)
    let failures = Atomic<Int>(0)
    let lastErrno = Atomic<CInt>(0)
    /// Set at the end: reset what is held.
    let isOver = Atomic<Bool>(false)
}

struct Holder: Handler {
    let plan: TuplePlan
    let outcome: Outcome
    private var asked = 0
    private var held: [ConnectionID] = []
    private var hasReset = false

    init(_ plan: TuplePlan, _ outcome: Outcome) {
        self.plan = plan
        self.outcome = outcome
        held.reserveCapacity(plan.count)
    }

    mutating func start(_ operations: inout OperationQueue) {
        outcome.startedAt.store(MonotonicTime.now.nanoseconds, ordering: .relaxed)
        connect(&operations)
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        for position in 0..<completions.count {
            switch completions[position] {
            case .connected(let id): held.append(id)
            case .closed(_, .requested): break
            case .closed(_, let reason):
                if case .failed(let errno) = reason {
                    outcome.lastErrno.store(errno.code, ordering: .relaxed)
                }
                outcome.failures.add(1, ordering: .releasing)
            case .accepted, .received, .sent: break
            }
        }
        connect(&operations)
        if held.count == plan.count, outcome.openedAt.load(ordering: .relaxed) == 0 {
            outcome.openedAt.store(completions.reapedAt.nanoseconds, ordering: .releasing)
        }
        if outcome.isOver.load(ordering: .relaxed) { reset(&operations) }
    }

    /// Leaves no TIME_WAIT to whoever is measured next; the turn after it ends the worker.
    private mutating func reset(_ operations: inout OperationQueue) {
        if hasReset { return operations.stop() }
        for id in held { operations.abort(id) }
        hasReset = true
    }

    private mutating func connect(_ operations: inout OperationQueue) {
        while asked < plan.count, asked - held.count < window {
            let tuple = plan[asked]
            guard operations.connect(from: tuple.source, to: tuple.destination) != nil else {
                preconditionFailure("no room for connection \(asked)")
            }
            asked += 1
        }
    }
}

@main
struct EngineHold {
    static let usage =
        "usage: engine-hold uring|epoll|threads --port P --cpu C --seconds S [--connections N]"

    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count > 1, let backend = BackendKind(rawValue: arguments[1]) else {
            fail(usage, code: 64)
        }
        var values = ["--port": 0, "--cpu": 0, "--seconds": 0, "--connections": 9_000]
        var rest = arguments.dropFirst(2)
        while let name = rest.popFirst() {
            guard values[name] != nil, let text = rest.popFirst(), let value = Int(text), value >= 0
            else { fail("\(name) is no option, or lacks a number\n\(usage)", code: 64) }
            values[name] = value
        }
        guard let port = UInt16(exactly: values["--port"]!), port > 0,
            let processor = UInt32(exactly: values["--cpu"]!),
            let seconds = UInt32(exactly: values["--seconds"]!), seconds > 0,
            (1...1_000_000).contains(values["--connections"]!)
        else { fail(usage, code: 64) }
        do {
            try hold(
                backend, values["--connections"]!, to: .loopback(port: port), on: processor,
                seconds)
        } catch {
            fail("\(error)", code: 69)
        }
    }

    private static func hold(
        _ backend: BackendKind, _ connections: Int, to server: SocketAddress,
        on processor: UInt32, _ seconds: UInt32
    ) throws {
        let plan = try TuplePlan(
            connections: connections,
            sources: SourceRange(seed: UInt64(getpid()), ports: 20_000...27_999),
            destinations: [server])
        var configuration = Configuration(backend: backend)
        configuration.limits.connections = UInt32(connections)
        configuration.processors = [processor]
        let outcome = Outcome()
        let engine = try Engine(configuration) { _ in Holder(plan, outcome) }
        while outcome.openedAt.load(ordering: .acquiring) == 0 {
            guard outcome.failures.load(ordering: .acquiring) == 0 else {
                let code = outcome.lastErrno.load(ordering: .relaxed)
                let reason = code == 0 ? "the server ended it" : String(cString: strerror(code))
                fail("connect: \(reason)", code: 1)
            }
            usleep(1_000)
        }
        let opened = MonotonicTime(nanoseconds: outcome.openedAt.load(ordering: .acquiring))
        let began = MonotonicTime(nanoseconds: outcome.startedAt.load(ordering: .relaxed))
        let elapsed = opened.seconds(since: began)
        print(
            "{\"connections\":\(connections),\"seconds\":\(elapsed),"
                + "\"connects_per_second\":\(Double(connections) / elapsed)}")
        fflush(nil)
        sleep(seconds)
        outcome.isOver.store(true, ordering: .relaxed)
        engine.wake()
        try engine.join()
    }

    private static func fail(_ message: String, code: CInt) -> Never {
        _ = "engine-hold: \(message)\n".withCString { write(STDERR_FILENO, $0, strlen($0)) }
        exit(code)
    }
}
