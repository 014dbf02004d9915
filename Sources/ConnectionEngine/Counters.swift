// What a worker did and what went wrong, as plain numbers that only grow.

/// Counts of one worker since its start; those of several workers can be added.
public struct Counters: Hashable, Sendable, Codable {
    public var accepted: UInt64 = 0
    public var connected: UInt64 = 0
    public var closed: UInt64 = 0
    public var bytesReceived: UInt64 = 0
    public var bytesSent: UInt64 = 0
    /// Turns of the circle.
    public var turns: UInt64 = 0
    /// Kernel entries that reap or wait: io_uring_enter, epoll_wait.
    public var entries: UInt64 = 0
    /// SQEs taken by the kernel.
    public var submitted: UInt64 = 0
    /// CQEs or epoll events reaped.
    public var reaped: UInt64 = 0
    /// io_uring_enter took fewer SQEs than were queued; the rest went with the next entry.
    public var shortSubmits: UInt64 = 0
    /// io_uring_enter answered EAGAIN, EBUSY or EINTR and was repeated.
    public var entryRetries: UInt64 = 0
    /// The kernel had to keep completions beside a full completion queue. None is lost by it.
    public var completionOverflows: UInt64 = 0
    /// Completions that the kernel could not even keep: must stay 0.
    public var completionsDropped: UInt64 = 0
    /// A multishot request ended for a reason other than the connection's end and was armed again.
    public var rearms: UInt64 = 0
    /// A receive found no buffer and was parked until one came back (ENOBUFS among them).
    public var bufferStarvations: UInt64 = 0
    /// An operation completed with EAGAIN and was submitted again.
    public var againCompletions: UInt64 = 0
    /// A send took only a part; the rest was sent after it.
    public var shortSends: UInt64 = 0
    /// A send found the socket full and waited for room.
    public var blockedSends: UInt64 = 0
    /// Completions of a connection that no longer exists, dropped by generation.
    public var staleCompletions: UInt64 = 0
    /// Operations on a connection that no longer exists, dropped by generation.
    public var staleOperations: UInt64 = 0
    /// accept failed for lack of descriptors or memory; it was tried again later.
    public var acceptFailures: UInt64 = 0
    /// Clients lost because a direct descriptor table was full: must stay 0.
    public var acceptTableFull: UInt64 = 0
    /// Connections that became busy (multishot receive) and idle again (poll).
    public var promotions: UInt64 = 0
    public var demotions: UInt64 = 0
    /// The operation queue had to grow.
    public var queueGrowths: UInt64 = 0
    /// Rings, or connection threads, made so far.
    public var rings: UInt64 = 0
    public var threads: UInt64 = 0

    public init() {}

    public static func += (left: inout Counters, right: Counters) {
        for field in Counters.fields {
            left[keyPath: field.path] += right[keyPath: field.path]
        }
    }

    /// Every counter with its name, for printing and adding.
    public static var fields: [(name: String, path: WritableKeyPath<Counters, UInt64>)] {
        [
            ("accepted", \.accepted), ("connected", \.connected), ("closed", \.closed),
            ("bytesReceived", \.bytesReceived), ("bytesSent", \.bytesSent), ("turns", \.turns),
            ("entries", \.entries), ("submitted", \.submitted), ("reaped", \.reaped),
            ("shortSubmits", \.shortSubmits), ("entryRetries", \.entryRetries),
            ("completionOverflows", \.completionOverflows),
            ("completionsDropped", \.completionsDropped), ("rearms", \.rearms),
            ("bufferStarvations", \.bufferStarvations),
            ("againCompletions", \.againCompletions), ("shortSends", \.shortSends),
            ("blockedSends", \.blockedSends), ("staleCompletions", \.staleCompletions),
            ("staleOperations", \.staleOperations), ("acceptFailures", \.acceptFailures),
            ("acceptTableFull", \.acceptTableFull), ("promotions", \.promotions),
            ("demotions", \.demotions), ("queueGrowths", \.queueGrowths), ("rings", \.rings),
            ("threads", \.threads),
        ]
    }
}
