// What a backend reports: the other half of the circle.

/// Why a connection ended.
@frozen
public enum CloseReason: Hashable, Sendable {
    /// The handler asked for it.
    case requested
    /// The peer ended it in order.
    case endOfStream
    /// It could not be opened, or broke.
    case failed(Errno)

    init(code: Int16) {
        switch code {
        case 0: self = .requested
        case -1: self = .endOfStream
        default: self = .failed(Errno(CInt(code)))
        }
    }
}

/// One report of a backend to its handler; a plain value.
@frozen
public enum Completion: Hashable, Sendable {
    /// A peer connected to one of the worker's listening addresses. Nothing is armed yet.
    case accepted(ConnectionID)
    /// `connect` succeeded. Nothing is armed yet.
    case connected(ConnectionID)
    /// Bytes arrived; the buffer is the handler's until it is sent or released.
    case received(ConnectionID, Buffer, byteCount: UInt32)
    /// All bytes of the oldest unanswered `send` are with the kernel.
    case sent(ConnectionID)
    /// The last word on this connection.
    case closed(ConnectionID, CloseReason)
}

/// The completions of one turn.
@safe public struct CompletionBatch: ~Copyable {
    @usableFromInline let storage: UnsafeMutablePointer<Completion>
    @usableFromInline let capacity: Int
    @usableFromInline var used = 0
    /// Read once, after the batch was filled: a latency is never too small by it, and too large by
    /// no more than the time of one reap.
    public internal(set) var reapedAt = MonotonicTime.zero

    init(capacity: Int) {
        unsafe self.storage = .allocate(capacity: capacity)
        self.capacity = capacity
    }

    /// A batch of literals: for testing a handler.
    public init(_ completions: [Completion], at time: MonotonicTime = .zero) {
        self.init(capacity: max(completions.count, 1))
        for completion in completions { append(completion) }
        reapedAt = time
    }

    deinit {
        unsafe storage.deallocate()
    }

    @inlinable
    public var count: Int { used }

    @inlinable
    public subscript(position: Int) -> Completion {
        precondition(position >= 0 && position < used)
        return unsafe storage[position]
    }

    /// Room for further completions in this turn.
    var room: Int { capacity &- used }

    @inline(__always)
    mutating func append(_ completion: Completion) {
        precondition(used < capacity, "a backend overfilled its batch")
        unsafe (storage + used).initialize(to: completion)
        used &+= 1
    }

    mutating func removeAll() {
        used = 0
    }
}
