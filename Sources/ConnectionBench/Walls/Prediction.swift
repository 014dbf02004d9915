// Where a climb was expected to end, and where it did.

public struct Prediction: Codable, Hashable, Sendable {
    public var wall: Wall.Resource
    /// Where the climb was to end: at the wall, or before it by what others need.
    public var connections: Int
    public var formula: String
    /// Where it ended, verified or not; absent when the wall was not met.
    public var reached: Int?

    init(_ wall: Wall) {
        self.wall = wall.resource
        connections = wall.connectionsSafe
        formula =
            "\(wall.origin) is \(wall.limitText); \(wall.formula)"
            + (wall.connectionsKept > 0
                ? "; \(Count.format(wall.connectionsKept)) left to others" : "")
    }

    /// Reached less predicted, in percent of the predicted.
    public var errorPercent: Double? {
        guard let reached, connections > 0 else { return nil }
        return 100 * Double(reached - connections) / Double(connections)
    }
}
