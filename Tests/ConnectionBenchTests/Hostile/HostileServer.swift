// The echo server under attack: a process of its own, looked at from outside.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

final class HostileServer {
    /// What can be seen of it without its help, and its own count of connections.
    struct Reading: Codable, Sendable {
        var residentBytes: Int
        var descriptors: Int
        var threads: Int
        var openConnections: Int
        var evicted: Int
    }

    let backend: BackendKind
    let address: SocketAddress
    let setup: EngineSetup
    private let board: Scoreboard
    private let child: ChildProcess

    /// - Parameters:
    ///   - namespace: where it listens, on loopback.
    ///   - connections: that it can hold.
    init(
        _ backend: BackendKind, in namespace: NetworkNamespace, connections: Int,
        quietLimits: QuietLimits?
    ) throws {
        let plan = RunPlan(connections: connections, steps: [connections], seed: 1)
        var setup = EngineSetup(plan, backend, workers: 1, connections: connections)
        setup.rowCount = 1
        setup.quietLimits = quietLimits
        self.setup = setup
        self.backend = backend
        let board = try Scoreboard(rowCount: 1)
        self.board = board
        child = try namespace.inside {
            try ChildProcess(
                name: "server", rows: 0..<1, scoreboard: board, executable: ToolProcess.path)
        }
        try child.send(.server(setup, listen: ["127.0.0.1:0"]))
        guard case .ready(let listening, _)? = try child.receive(milliseconds: 30_000),
            let first = listening.first, let address = SocketAddress(first)
        else { throw ChildError(child: "server", pid: child.pid, reason: "does not listen") }
        self.address = address
    }

    /// Throws with its last words when it has ended.
    func checkAlive() throws { try child.checkAlive() }

    var isAlive: Bool { !child.hasEnded }
    var openConnections: Int { board.sum(.open, rows: 0..<1) }
    var echoes: Int { board.sum(.echoes, rows: 0..<1) }

    func reading() throws -> Reading {
        let usage = try ProcessUsage.read(pid: child.pid)
        return Reading(
            residentBytes: try #require(usage.residentBytes),
            descriptors: try #require(child.descriptorCount), threads: usage.threadCount,
            openConnections: openConnections, evicted: board.sum(.evicted, rows: 0..<1))
    }

    /// Its engine's own counts.
    func counters() throws -> Counters {
        try child.send(.counters)
        let answer = try child.receive(milliseconds: 30_000)
        guard case .counters(let counters, _)? = answer else {
            throw ChildError(child: "server", pid: child.pid, reason: "does not answer")
        }
        return counters
    }

    /// Bytes that its memory may have grown by when an attack is over, and nothing is leaked:
    ///
    /// - its buffers, all of which have been touched then, and stay;
    /// - 64 bytes for each connection that it held at once: slot, queues, ages;
    /// - 16 MiB of the allocator's, which keeps what it was given for a while;
    /// - on the thread backend the 40 MiB of stacks that glibc keeps of threads that have ended.
    func memoryAllowance(peakConnections: Int) -> Int {
        let buffers = setup.buffersPerWorker * (setup.bufferByteCount + 128)
        let stacks = backend == .threads ? (40 << 20) : 0
        return buffers + 64 * peakConnections + (16 << 20) + stacks
    }

    /// Bytes of each thread that lives: stack, receive buffer, the allocator's share.
    var threadMemory: Int { backend == .threads ? 24 << 10 : 0 }

    /// Ends it in order.
    ///
    /// - Returns: whether it had to be killed.
    func end() -> Bool {
        child.finish()
        let deadline = MonotonicTime.now.advanced(byNanoseconds: 30_000_000_000)
        return child.waitForEnd(until: deadline) { false }
    }
}
