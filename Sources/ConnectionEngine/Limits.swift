// Every bound of the engine, with its unit and its reason.

/// The bounds of one worker. All memory is taken by these at the start.
public struct Limits: Hashable, Sendable {
    /// Connections that a worker can hold at once, accepted and connected ones together when it
    /// has no listener, each of the two kinds otherwise. Address space, not memory: a slot that
    /// was never used costs nothing.
    public var connections: UInt32 = 16_384

    /// Buffers per worker, at most 65,534 (a provided buffer's id has 16 bits). Too few shows as
    /// ``Counters/bufferStarvations``, never as an error.
    public var buffers: UInt32 = 4_096

    /// Bytes of one buffer: the largest piece that one `.received` brings and one `.send` takes.
    public var bufferByteCount: UInt32 = 2_048

    /// SQEs between two kernel entries, at least 4: one connect takes up to four. A power of two,
    /// because the kernel rounds up to one. A full queue costs one more entry, nothing else.
    public var submissionEntries: UInt32 = 1_024

    /// CQEs the kernel may hold. Multishot requests complete without a new SQE, so this outgrows
    /// the above. An overflow loses nothing and is counted (IORING_FEAT_NODROP, Linux 5.5).
    public var completionEntries: UInt32 = 4_096

    /// Completions that a handler is given in one turn, at least 2.
    public var completionsPerTurn: UInt32 = 1_024

    /// Direct descriptors per ring, lowered to RLIMIT_NOFILE, which the kernel applies per ring.
    /// The cancel table has at most 256 buckets per ring, so more makes cancelling slow.
    public var ringSlots: UInt32 = 20_000

    /// Provided buffers that a ring keeps for its busy connections. A power of two, small enough
    /// to stay in the second-level cache.
    public var ringBuffers: UInt32 = 512

    /// Connections per worker that may keep a multishot receive armed (864 B of kernel memory each
    /// against 256 B for a poll).
    public var hotConnections: UInt32 = 16_384

    /// Connections waiting to be accepted, per listening socket; the kernel lowers it to
    /// net.core.somaxconn.
    public var backlog: UInt32 = 4_096

    /// Bytes of stack for a connection's thread (thread backend), without the receive buffer that
    /// lies on it too.
    public var threadStackByteCount: UInt32 = 65_536

    public init() {}

    /// - Precondition: the bounds fit together; a mismatch is a bug of the caller.
    func check() {
        precondition(connections >= 1 && connections <= 1 << 26, "connections: \(connections)")
        precondition(buffers >= 2 && buffers < UInt32(Buffer.none.index), "buffers: \(buffers)")
        precondition(
            bufferByteCount >= 16 && bufferByteCount <= 1 << 20,
            "bufferByteCount: \(bufferByteCount)")
        precondition(submissionEntries.nonzeroBitCount == 1, "\(submissionEntries)")
        precondition(submissionEntries >= 4 && submissionEntries <= 32_768, "\(submissionEntries)")
        precondition(completionEntries.nonzeroBitCount == 1 && completionEntries <= 65_536)
        precondition(completionEntries >= 2 * submissionEntries)
        precondition(completionsPerTurn >= 2, "completionsPerTurn: \(completionsPerTurn)")
        precondition(ringSlots >= 16, "ringSlots: \(ringSlots)")
        precondition(ringBuffers.nonzeroBitCount == 1 && ringBuffers <= 32_768)
    }
}
