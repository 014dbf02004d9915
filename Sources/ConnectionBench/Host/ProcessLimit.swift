// One limit of a running server, as the number of connections that it still allows.

public struct ProcessLimit: Codable, Hashable, Sendable {
    public enum Resource: String, Codable, Sendable {
        case descriptors
        case directDescriptors
        case systemFiles
        case epollWatches
        case userThreads
        case controlGroupThreads
        case processIDs
        case systemThreads
        case memoryMaps
        case memory
        case controlGroupMemory
        case conntrack
    }

    public let resource: Resource
    /// How many more connections it allows, beside those that there are.
    public let connectionsMore: Int
    /// Bytes for the two memories, else a number of the resource's things.
    public let limit: Int
    /// The file that `limit` was read from.
    public let file: String
    /// How `connectionsMore` follows, in numbers.
    public let formula: String
    /// A command where there is one.
    public let remedy: String

    /// For people who do not know the file's name.
    public var title: String {
        switch resource {
        case .descriptors: "files that this process may have open"
        case .directDescriptors: "places for sockets in its io_uring instances"
        case .systemFiles: "files that may be open on the whole machine"
        case .epollWatches: "sockets that its user may watch with epoll"
        case .userThreads: "threads that its user may have"
        case .controlGroupThreads: "threads that its container or service may have"
        case .processIDs: "numbers for threads on the whole machine"
        case .systemThreads: "threads that may run on the whole machine"
        case .memoryMaps: "memory areas that this process may have"
        case .memory: "memory of the machine"
        case .controlGroupMemory: "memory of its container or service"
        case .conntrack: "connections that the firewall keeps track of"
        }
    }

    /// Why a connection needs it.
    public var explanation: String {
        switch resource {
        case .descriptors: "Every connection is one open file."
        case .directDescriptors: "Every connection takes one place."
        case .systemFiles: "Every connection is one open file, for all processes together."
        case .epollWatches: "Every connection is watched."
        case .userThreads, .controlGroupThreads, .processIDs, .systemThreads:
            "It runs a thread for every connection."
        case .memoryMaps: "It runs a thread for every connection, and each has two areas."
        case .memory, .controlGroupMemory: "Every connection takes memory of the kernel."
        case .conntrack: "Every connection has an entry in the firewall's table."
        }
    }

    public var limitText: String {
        switch resource {
        case .memory, .controlGroupMemory: Count.format(bytes: limit)
        default: Count.format(limit)
        }
    }
}
