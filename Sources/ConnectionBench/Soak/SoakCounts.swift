// What must be exact in a soak while nothing is under way, and what is said when it is not.

import ConnectionEngine

/// One side at a pause: every process of it together.
struct SideCounts: Equatable, Sendable {
    var open = 0
    /// Connections that the engines have a slot for.
    var slots = 0
    /// Buffers that somebody owes back.
    var buffers = 0
    /// `nil`: the kernel does not tell.
    var descriptors: Int?
    var threads: Int?
    /// io_uring instances made so far: a descriptor each.
    var rings = 0
}

/// Both sides and the kernel at a pause.
struct SoakCounts: Equatable, Sendable {
    var client = SideCounts()
    var server = SideCounts()
    /// Connections by the kernel's count of sockets; `nil`: it could not be read.
    var kernel: Int?
}

/// How many descriptors and threads a connection takes on each side.
struct ConnectionShare: Equatable, Sendable {
    var descriptors: Int
    var threads: Int

    /// - Parameter isDirect: sockets are direct descriptors of rings, see ARCHITECTURE.md.
    init(backend: BackendKind, isDirect: Bool) {
        descriptors = backend == .uring && isDirect ? 0 : 1
        threads = backend == .threads ? 1 : 0
    }
}

/// One thing that a soak must keep, and whether it did.
public struct SoakCheck: Codable, Hashable, Sendable {
    public enum Kind: String, Codable, CaseIterable, Sendable {
        case connections, slots, buffers, descriptors, threads
        case closes, answers
        case sockets

        /// What holds, for people.
        public var title: String {
            switch self {
            case .connections: "client, server and kernel count the same connections"
            case .slots: "the engines have a slot for each connection, and no other"
            case .buffers: "every buffer is back"
            case .descriptors: "open descriptors are those of the connections and the start"
            case .threads: "threads are those of the connections and the start"
            case .closes: "no connection ended unasked"
            case .answers: "every byte of every answer was right"
            case .sockets: "after the end no socket of the soak is left"
            }
        }

        /// Broken, it means that something is lost and not that something is kept.
        var isLoss: Bool { self == .closes || self == .answers }
    }

    public var kind: Kind
    /// How often it was looked at, and how often it did not hold.
    public var looks = 0
    public var failures = 0
    /// What was seen when it did not hold first; absent: it always held.
    public var firstFailure: String?

    init(_ kind: Kind) {
        self.kind = kind
    }

    public var holds: Bool { failures == 0 }

    /// - Parameter failure: `nil`: it holds.
    mutating func look(_ failure: String?) {
        looks += 1
        guard let failure else { return }
        failures += 1
        firstFailure = firstFailure ?? failure
    }
}

extension SoakCounts {
    /// The kinds that can be told from counts alone.
    static let kinds: [SoakCheck.Kind] = [
        .connections, .slots, .buffers, .descriptors, .threads,
    ]

    /// What is not as it must be while so many connections are held and nothing is under way; empty:
    /// all is.
    ///
    /// - Parameter base: with all processes started and no connection.
    func failures(
        held: Int, base: SoakCounts, _ share: ConnectionShare
    ) -> [SoakCheck.Kind: String] {
        var failures: [SoakCheck.Kind: String] = [:]
        if client.open != held || server.open != held || kernel ?? held != held {
            failures[.connections] =
                "of \(Count.format(held)) the client counts \(Count.format(client.open)), the"
                + " server \(Count.format(server.open)), the kernel"
                + " \(kernel.map { Count.format($0) } ?? "unknown")"
        }
        if client.slots != client.open || server.slots != server.open {
            failures[.slots] =
                "slots in use: client \(Count.format(client.slots)) for"
                + " \(Count.format(client.open)) connections, server"
                + " \(Count.format(server.slots)) for \(Count.format(server.open))"
        }
        if client.buffers != 0 || server.buffers != 0 {
            failures[.buffers] =
                "buffers not back: client \(Count.format(client.buffers)), server"
                + " \(Count.format(server.buffers))"
        }
        for (name, side, base) in [
            ("client", client, base.client), ("server", server, base.server),
        ] {
            let expected = base.descriptors.map {
                $0 + side.open * share.descriptors + side.rings - base.rings
            }
            if let found = side.descriptors, let expected, found != expected {
                failures[.descriptors] = Self.words(name, "descriptors", found, expected)
            }
            let threads = base.threads.map { $0 + side.open * share.threads }
            if let found = side.threads, let threads, found != threads {
                failures[.threads] = Self.words(name, "threads", found, threads)
            }
        }
        return failures
    }

    private static func words(
        _ side: String, _ what: String, _ found: Int, _ expected: Int
    ) -> String {
        "the \(side) has \(Count.format(found)) \(what), \(Count.format(expected)) are explained"
    }
}
