// What a worker did and what went wrong, as plain numbers that only grow.

import Glibc

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
    /// A client could not be taken, and its listener rested for 100 ms: the sum of the kinds below,
    /// and of those that no kind names. It stays in the queue, but for the last two kinds.
    public var acceptFailures: UInt64 = 0
    /// EMFILE: this process has as many descriptors as RLIMIT_NOFILE allows.
    public var acceptFailuresNoDescriptor: UInt64 = 0
    /// ENFILE: the system has as many files as fs.file-max allows.
    public var acceptFailuresNoFile: UInt64 = 0
    /// ENOMEM, ENOBUFS.
    public var acceptFailuresNoMemory: UInt64 = 0
    /// Thread backend: the accepted client was reset, because no thread could be made for it.
    public var acceptFailuresNoThread: UInt64 = 0
    /// epoll: the accepted client's connection was closed with ENOSPC when it was armed first
    /// (fs.epoll.max_user_watches).
    public var acceptFailuresNoWatch: UInt64 = 0
    /// io_uring: a further ring could not be made. What needed it failed; the worker goes on.
    public var ringFailures: UInt64 = 0
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
            ("acceptFailuresNoDescriptor", \.acceptFailuresNoDescriptor),
            ("acceptFailuresNoFile", \.acceptFailuresNoFile),
            ("acceptFailuresNoMemory", \.acceptFailuresNoMemory),
            ("acceptFailuresNoThread", \.acceptFailuresNoThread),
            ("acceptFailuresNoWatch", \.acceptFailuresNoWatch),
            ("ringFailures", \.ringFailures), ("acceptTableFull", \.acceptTableFull),
            ("promotions", \.promotions),
            ("demotions", \.demotions), ("queueGrowths", \.queueGrowths), ("rings", \.rings),
            ("threads", \.threads),
        ]
    }
}

extension Counters {
    /// What a client needed when it could not be taken.
    enum AcceptStep {
        /// accept(2) itself, or IORING_OP_ACCEPT.
        case accept
        /// A ring with a free slot.
        case ring
        /// A thread of its own.
        case thread
        /// epoll's watch over it.
        case watch
    }

    /// Counts a client that could not be taken, by what was lacking; the one place that says which
    /// errno means what.
    mutating func acceptFailed(_ code: CInt, at step: AcceptStep) {
        acceptFailures += 1
        switch (step, code) {
        // pthread_create has no other errno for a thread limit, and its memory is the thread's.
        case (.thread, EAGAIN), (.thread, ENOMEM): acceptFailuresNoThread += 1
        case (.watch, ENOSPC): acceptFailuresNoWatch += 1
        case (_, EMFILE): acceptFailuresNoDescriptor += 1
        case (_, ENFILE): acceptFailuresNoFile += 1
        case (_, ENOMEM), (_, ENOBUFS): acceptFailuresNoMemory += 1
        default: break
        }
    }
}
