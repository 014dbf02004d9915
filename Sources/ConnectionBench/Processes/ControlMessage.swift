// What a run and its child processes say to each other: one JSON object per line.

import ConnectionEngine

/// An engine's set-up as it travels to a child.
struct EngineSetup: Codable, Sendable {
    var backend: BackendKind
    var workers: Int
    /// Connections that each worker must be able to hold.
    var connectionsPerWorker: Int
    var bufferByteCount: Int
    var buffersPerWorker: Int
    var idleMode: IdleMode
    var reusesSourcePorts: Bool
    /// Worker `i` runs on `processors[i % count]`; empty: anywhere.
    var processors: [UInt32]
    var maskedFeatures: UInt32
    var backlog: Int?
    /// Of a server.
    var serverShape: ServerShape
    /// Of a server; `nil`: it keeps connections for ever, however quiet they are.
    var quietLimits: QuietLimits?
    /// Of a server: its loops want a turn every 10 ms, and tell how late it comes.
    var measuresLag = false
    /// The first of this process's rows in the scoreboard, one per worker.
    var firstRow = 0
    var rowCount = 0
    /// What a child started as root does first; `nil`: it stays what it is.
    var privileges: PrivilegeDrop?

    init(_ plan: RunPlan, _ backend: BackendKind, workers: Int, connections: Int) {
        self.backend = backend
        self.workers = workers
        connectionsPerWorker = connections
        bufferByteCount = plan.bufferByteCount
        buffersPerWorker = 4_096
        idleMode = plan.idleMode
        reusesSourcePorts = plan.reusesSourcePorts
        processors = []
        maskedFeatures = URingFeatures.all.names.enumerated()
            .filter { plan.maskedFeatures.contains($0.element) }
            .reduce(UInt32(0)) { $0 | 1 << UInt32($1.offset) }
        backlog = plan.backlog
        serverShape = plan.load.server
    }

    /// - Parameter listen: addresses, dealt to the workers.
    func configuration(listen: [SocketAddress]) -> Configuration {
        var configuration = Configuration(backend: backend)
        configuration.workers = workers
        configuration.limits.connections = UInt32(connectionsPerWorker)
        configuration.limits.bufferByteCount = UInt32(bufferByteCount)
        configuration.limits.buffers = UInt32(buffersPerWorker)
        configuration.idleMode = idleMode
        configuration.reusesSourcePorts = reusesSourcePorts
        configuration.processors = processors
        configuration.maskedFeatures = URingFeatures(rawValue: maskedFeatures)
        if let backlog { configuration.limits.backlog = UInt32(backlog) }
        configuration.listen = listen
        configuration.listenerSpread = .dealt
        return configuration
    }
}

/// The source ports and addresses of a client, as they travel to it.
struct PlanSetup: Codable, Sendable {
    var connections: Int
    var seed: UInt64
    var portFirst: UInt16
    var portLast: UInt16
    var excludedPorts: [UInt16]
    var addressesMax: Int?
    var network: SourceNetwork
    var destinations: [String]
    /// This process's part of the plan.
    var part: Int
    var parts: Int
}

enum ParentMessage: Codable, Sendable {
    case server(EngineSetup, listen: [String])
    case client(EngineSetup, PlanSetup, LoadSettings)
    /// One command per worker; the answer carries the same number.
    case load(number: Int, [LoadCommand])
    case counters
    /// End in order: stop the engine and exit.
    case finish
}

enum ChildMessage: Codable, Sendable {
    /// - Parameter backlog: connections that may wait to be accepted on each listener.
    case ready(listening: [String], backlog: Int)
    /// The machine is not fit, in one line; the child exits after it.
    case failed(String)
    /// One report per worker. A command that another one took the place of may still be answered.
    case loaded(number: Int, [LoadReport])
    case counters(Counters, fallbacks: [String])
}
