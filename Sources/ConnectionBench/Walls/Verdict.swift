// What stopped or slowed a run, with the proof.

/// The answer to "why not more?".
///
/// `unknown` is a legal answer. A wrong one is not: where the figures allow two causes, the verdict
/// is unknown and its proof has the figures.
public struct Verdict: Codable, Hashable, Sendable {
    public enum Side: String, Codable, Sendable {
        case client, server, host
    }

    public enum Confidence: String, Codable, Sendable {
        /// The kernel said so by an errno or a counter that has no other cause.
        case high
        /// The figures fit, and nothing else was seen that would explain them.
        case medium
        case low
    }

    public var wall: Wall.Resource
    public var side: Side
    /// Up to three numbers that prove it, each with its source.
    public var proof: [String]
    public var confidence: Confidence
    /// What to do, as a command where there is one.
    public var remedy: String

    public init(
        _ wall: Wall.Resource, _ side: Side, _ confidence: Confidence, proof: [String],
        remedy: String
    ) {
        self.wall = wall
        self.side = side
        self.confidence = confidence
        self.proof = Array(proof.prefix(3))
        self.remedy = remedy
    }

    /// One sentence, for a message.
    public var sentence: String {
        wall == .unknown
            ? "what stopped it is not known (\(proof.joined(separator: "; ")))"
            : "the wall is \(wall.title), on the \(side.rawValue)'s side"
                + " (\(proof.joined(separator: "; ")))"
    }
}
