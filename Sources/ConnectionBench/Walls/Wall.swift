// One limit that a run would meet, known before the run.

/// A resource, how much of it there is, and the number of connections at which it ends.
public struct Wall: Codable, Hashable, Sendable {
    public enum Resource: String, Codable, Sendable {
        case ports
        case descriptors
        case memoryMaps
        case systemFiles
        case epollWatches
        case processIDs
        case systemThreads
        case userThreads
        case controlGroupThreads
        case memory
        case controlGroupMemory
    }

    public let resource: Resource
    /// The largest number of connections that this resource allows.
    public let connectionsMax: Int
    /// The limit itself: bytes for the two memories, else a number of the resource's things.
    public let limit: Int
    /// The file or call that `limit` came from.
    public let origin: String
    /// How `connectionsMax` follows from `limit`, in words and numbers.
    public let formula: String

    /// `limit` for people: with separators, and a unit for memory.
    public var limitText: String {
        switch resource {
        case .memory, .controlGroupMemory: Count.format(bytes: limit)
        default: Count.format(limit)
        }
    }
}
