// What the doctor found: for each backend where it ends and why, and what else was looked at.

import ConnectionEngine

/// A prediction without a load. Everything in it was read or measured on this machine just now.
public struct DoctorReport: Codable, Sendable {
    public var schema = "uring-bench.doctor"
    public var schemaVersion = "1.0"
    public var tool: ToolFacts
    public var startedAt: String
    public var seconds = 0.0
    public var host: HostFacts
    /// The connections that were asked for.
    public var connections: Int
    /// Messages per second on each connection, for the processors' wall; absent: idle ones.
    public var messagesPerSecond: Double?
    public var backends: [BackendForecast] = []
    /// Looked at, in the order in which connections meet them.
    public var notes: [DoctorNote] = []
    /// What could not be read, and why.
    public var unknown: [UnknownFact] = []
    /// What spoils the figures.
    public var warnings: [RunWarning] = []

    /// Every backend that was asked for can hold them.
    public var fits: Bool { backends.allSatisfy { $0.holds(connections) } }
}

/// One backend on this machine.
public struct BackendForecast: Codable, Sendable {
    public var backend: BackendKind
    /// Why it cannot be used at all, with the remedy.
    public var unavailable: String?
    public var preflight: Preflight?
    /// Why costs are from a table.
    public var calibrationFailure: String?
    /// Features that this kernel lacks.
    public var fallbacks: [String] = []
    /// Where processor time ends, at the asked rate of messages.
    public var processors: Wall?

    public init(_ backend: BackendKind) {
        self.backend = backend
    }

    /// Every wall, the nearest first.
    public var walls: [Wall] {
        ((preflight?.walls ?? []) + [processors].compactMap { $0 })
            .sorted { $0.connectionsSafe < $1.connectionsSafe }
    }

    public func holds(_ connections: Int) -> Bool {
        guard unavailable == nil, let nearest = walls.first else { return false }
        return nearest.connectionsMax >= connections
    }
}

/// One thing that was looked at.
public struct DoctorNote: Codable, Hashable, Sendable {
    public enum Chapter: String, CaseIterable, Codable, Sendable {
        case ports, descriptors, threads, memory, processors, network, ioUring
    }

    public enum State: String, Codable, Sendable {
        case good, note, warning
    }

    public var chapter: Chapter
    public var state: State
    public var text: String
}

/// A fact that was not to be had.
public struct UnknownFact: Codable, Hashable, Sendable {
    public var name: String
    public var reason: String
}
