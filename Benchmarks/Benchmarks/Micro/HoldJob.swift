// Idle connections in this process, and the memory that they take of it.

import ConnectionEngine
import Glibc
import Synchronization

/// Opens connections up to a goal that another thread raises.
private struct Climber: Handler {
    final class Progress: Sendable {
        let goal = Atomic<Int>(0)
        let open = Atomic<Int>(0)
        let failures = Atomic<Int>(0)
    }

    /// Connects in flight; the server's accept queue holds more.
    static let window = 256
    let server: SocketAddress
    let progress: Progress
    private var asked = 0
    private var open = 0

    init(to server: SocketAddress, progress: Progress) {
        self.server = server
        self.progress = progress
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        for position in 0..<completions.count {
            switch completions[position] {
            case .connected: open += 1
            case .closed: progress.failures.add(1, ordering: .relaxed)
            case .accepted, .received, .sent: break
            }
        }
        let goal = progress.goal.load(ordering: .relaxed)
        while asked < goal, asked - open < Climber.window, operations.connect(to: server) != nil {
            asked += 1
        }
        progress.open.store(open, ordering: .relaxed)
    }
}

struct HoldJob {
    struct Failed: Error {}

    let backend: BackendKind

    init(_ backend: BackendKind) {
        self.backend = backend
    }

    /// The slope between two numbers of connections: what the process keeps once does not count.
    func userBytesPerConnection(from low: Int, to high: Int) throws -> Double {
        let server = try EchoJob.server(backend)
        defer { server.stop() }
        let address = server.listeningAddresses[0]
        let progress = Climber.Progress()
        let client = try Engine(Configuration(backend: backend)) { _ in
            Climber(to: address, progress: progress)
        }
        defer { client.stop() }
        var bytes: [Int] = []
        for goal in [low, high] {
            progress.goal.store(goal, ordering: .relaxed)
            client.wake()
            // The counters of a worker are published while it takes turns.
            while progress.open.load(ordering: .relaxed) < goal
                || server.counters.accepted < UInt64(goal)
            {
                guard progress.failures.load(ordering: .relaxed) == 0 else { throw Failed() }
                server.wake()
                usleep(1_000)
            }
            bytes.append(ProcessMemory.proportionalByteCount())
        }
        client.stop()
        try client.join()
        server.stop()
        try server.join()
        return Double(bytes[1] - bytes[0]) / Double(high - low)
    }
}

enum ProcessMemory {
    /// This process's share of memory that is no file's (PSS): pages of libraries count by how many
    /// other programs have them just now.
    static func proportionalByteCount() -> Int {
        guard let file = fopen("/proc/self/smaps_rollup", "r") else {
            preconditionFailure("/proc/self/smaps_rollup: errno \(errno)")
        }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        var kibibytes: [Int] = []
        while fgets(&line, CInt(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8($0) }, as: UTF8.self)
            guard text.hasPrefix("Pss_Anon:") || text.hasPrefix("Pss_Shmem:") else { continue }
            kibibytes += text.split { !$0.isNumber }.prefix(1).compactMap { Int($0) }
        }
        precondition(kibibytes.count == 2, "/proc/self/smaps_rollup wants Linux 5.3 or newer")
        return kibibytes.reduce(0, +) * 1_024
    }
}
