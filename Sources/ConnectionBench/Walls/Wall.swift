// One limit that a run would meet, known before the run.

/// A resource, how much of it there is, and the number of connections at which it ends.
public struct Wall: Codable, Hashable, Sendable {
    /// What ends a climb. The last group stands in verdicts only: nothing predicts it as a count.
    public enum Resource: String, Codable, CaseIterable, Sendable {
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
        case conntrack
        case processors

        /// Connections that ended stay in TIME_WAIT, up to tcp_max_tw_buckets.
        case timeWait
        /// Connections wait to be accepted, and the queue for that is full.
        case acceptQueue
        /// Packets wait for a processor, up to netdev_max_backlog.
        case packetQueue
        /// Data that nobody has read yet, up to tcp_mem.
        case tcpMemory
        /// io_uring is forbidden, missing, or ran out of something.
        case ioUring
        /// The other end has stopped doing anything.
        case frozenPeer
        /// Somebody else ended the connections.
        case outside
        /// What was measured does not tell.
        case unknown
    }

    public let resource: Resource
    /// The largest number of connections that this resource allows.
    public let connectionsMax: Int
    /// Connections by which a climb ends before it, because the host's other programs need some of
    /// the resource too.
    public var connectionsKept = 0
    /// The limit itself: bytes for the two memories, else a number of the resource's things.
    public let limit: Int
    /// The file or call that `limit` came from.
    public let origin: String
    /// How `connectionsMax` follows from `limit`, in words and numbers.
    public let formula: String
    /// The arithmetic, where it is one of things that are counted; `nil` for memory and plans.
    public var demand: Demand?

    /// Where a climb ends: before the wall, or at it where only this run needs the resource.
    public var connectionsSafe: Int { max(0, connectionsMax - connectionsKept) }

    /// A run may run into it for certain, and nobody else notices.
    public var isOurs: Bool {
        switch resource {
        case .ports, .descriptors, .memoryMaps, .userThreads, .conntrack: true
        default: false
        }
    }

    /// `limit` for people: with separators, and a unit for memory.
    public var limitText: String {
        switch resource {
        case .memory, .controlGroupMemory: Count.format(bytes: limit)
        default: Count.format(limit)
        }
    }
}

extension Wall.Resource {
    /// In a sentence: "the wall is …".
    public var title: String {
        switch self {
        case .ports: "source ports"
        case .descriptors: "file descriptors of a process"
        case .memoryMaps: "memory mappings of a process"
        case .systemFiles: "open files of the whole system"
        case .epollWatches: "epoll watches of a user"
        case .processIDs: "process and thread ids"
        case .systemThreads: "threads of the whole system"
        case .userThreads: "threads of a user"
        case .controlGroupThreads: "threads of the control group"
        case .memory: "memory"
        case .controlGroupMemory: "memory of the control group"
        case .conntrack: "the firewall's table of connections (conntrack)"
        case .processors: "processor time"
        case .timeWait: "connections in TIME_WAIT"
        case .acceptQueue: "the accept queue"
        case .packetQueue: "the queue of packets per processor"
        case .tcpMemory: "TCP's memory for unread data"
        case .ioUring: "io_uring"
        case .frozenPeer: "the other end, which does nothing"
        case .outside: "somebody else, who ended connections"
        case .unknown: "unknown"
        }
    }
}
