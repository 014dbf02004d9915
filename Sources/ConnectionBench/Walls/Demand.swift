// What a number of connections takes of a limit, and which limit a number of them needs.

/// The arithmetic of a wall, in both directions.
public struct Demand: Codable, Hashable, Sendable {
    /// Not for connections: in use by others, reserved, or needed by the run itself.
    public let taken: Int
    /// What each connection takes of the rest, both ends together.
    public let perConnection: Double
    /// Parts that the connections are divided into, each with a limit of this size: processes, or
    /// destinations.
    public let parts: Int

    init(taken: Int, perConnection: Double, parts: Int = 1) {
        precondition(perConnection > 0 && parts > 0, "\(perConnection) in \(parts) parts")
        self.taken = taken
        self.perConnection = perConnection
        self.parts = parts
    }

    func connections(within limit: Int) -> Int {
        Int(Double(max(0, limit - taken)) / perConnection) * parts
    }

    /// The smallest limit that allows so many.
    func limit(for connections: Int) -> Int {
        let each = (connections + parts - 1) / parts
        var limit = taken + Int(Double(each) * perConnection)
        // The fraction of a thing is a whole one.
        while self.connections(within: limit) < connections { limit += 1 }
        return limit
    }
}
