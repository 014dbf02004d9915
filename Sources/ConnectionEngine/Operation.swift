// What a handler asks for: one half of the circle.

/// One request of a handler to its backend; a plain value.
@frozen
public enum Operation: Hashable, Sendable {
    /// Opens a connection. `from` may be `nil` (the kernel chooses the source address and port),
    /// or have port 0 (the kernel chooses the port).
    case connect(ConnectionID, from: SocketAddress?, to: SocketAddress)
    /// Reports received bytes: until the connection closes, or (`once`) the next ones only.
    case arm(ConnectionID, once: Bool)
    /// Reports no further bytes until the connection is armed again.
    case disarm(ConnectionID)
    /// Sends the first `byteCount` bytes of `buffer`, after what was queued before.
    case send(ConnectionID, Buffer, byteCount: UInt32)
    /// Ends the connection in order (FIN) when its queued sends are done.
    case close(ConnectionID)
    /// Ends the connection at once with a reset (RST); what was queued is lost.
    case abort(ConnectionID)
}

/// The operations of one turn, and the handler's way to buffers and new connections.
///
/// Lives on its worker's thread. Order is kept per connection. A queue that outgrows its capacity
/// grows and is counted (``Counters/queueGrowths``); nothing is lost.
@safe public struct OperationQueue: ~Copyable {
    @usableFromInline var storage: UnsafeMutablePointer<Operation>
    @usableFromInline var capacity: Int
    /// Operations queued in this turn.
    @inlinable
    public var count: Int { used }
    @usableFromInline var used = 0
    @usableFromInline let pool: BufferPool
    let table: ConnectionTable
    private let ownsTables: Bool
    var growths: UInt64 = 0
    /// Set by ``stop()``: the worker ends after this turn.
    private(set) var isStopRequested = false

    init(capacity: Int, table: ConnectionTable, pool: BufferPool, ownsTables: Bool = false) {
        unsafe self.storage = .allocate(capacity: capacity)
        self.capacity = capacity
        self.table = table
        self.pool = pool
        self.ownsTables = ownsTables
    }

    /// A queue of its own, without a worker: for testing a handler with literals.
    public init(limits: Limits = Limits()) throws(SystemError) {
        limits.check()
        self.init(
            capacity: 4 * Int(limits.completionsPerTurn),
            table: try ConnectionTable(capacity: limits.connections),
            pool: try BufferPool(count: limits.buffers, byteCount: limits.bufferByteCount),
            ownsTables: true)
    }

    deinit {
        unsafe storage.deallocate()
        if ownsTables {
            table.deallocate()
            pool.deallocate()
        }
    }

    // MARK: What a handler may ask for

    /// Exclusive upper bound of every ``ConnectionID/index`` that this worker hands out.
    public var connectionIndexLimit: Int { Int(table.capacity) }

    /// Whether this id names a connection that has not ended, and not one that had its index before.
    public func holds(_ id: ConnectionID) -> Bool {
        unsafe table.slot(id) != nil
    }

    /// Bytes of one buffer.
    public var bufferByteCount: Int { Int(pool.byteCount) }

    /// Opens a connection; answered by `.connected` or `.closed` with this id.
    ///
    /// - Returns: `nil` when the worker holds ``Limits/connections`` already.
    public mutating func connect(
        from source: SocketAddress? = nil, to destination: SocketAddress
    ) -> ConnectionID? {
        guard let id = table.take(.opening) else { return nil }
        append(.connect(id, from: source, to: destination))
        return id
    }

    /// Reports what arrives by `.received`, until the connection closes.
    @inlinable
    public mutating func arm(_ id: ConnectionID) {
        append(.arm(id, once: false))
    }

    /// Reports the next arrival only. An idle connection that is not armed costs no kernel memory
    /// beyond its socket, but its end is noticed only when it is armed again or sent to.
    @inlinable
    public mutating func armOnce(_ id: ConnectionID) {
        append(.arm(id, once: true))
    }

    /// Leaves further bytes in the kernel until the connection is armed again, so that its peer is
    /// held back by TCP itself. What was received before still comes, and so may the peer's end;
    /// else that is noticed only when the connection is armed or sent to.
    @inlinable
    public mutating func disarm(_ id: ConnectionID) {
        append(.disarm(id))
    }

    /// Queues the first `byteCount` bytes of `buffer`; answered by `.sent` or `.closed`.
    /// The buffer passes to the backend, which returns it to the pool.
    @inlinable
    public mutating func send(_ id: ConnectionID, _ buffer: Buffer, byteCount: Int) {
        precondition(byteCount > 0 && byteCount <= bufferByteCount, "byteCount: \(byteCount)")
        append(.send(id, buffer, byteCount: UInt32(truncatingIfNeeded: byteCount)))
    }

    /// Ends the connection in order; answered by `.closed`.
    @inlinable
    public mutating func close(_ id: ConnectionID) {
        append(.close(id))
    }

    /// Resets the connection; answered by `.closed`.
    @inlinable
    public mutating func abort(_ id: ConnectionID) {
        append(.abort(id))
    }

    /// A free buffer, to fill and ``send(_:_:byteCount:)`` or ``release(_:)``; `nil` when all are
    /// in use: wait for `.sent`.
    @inlinable
    public mutating func takeBuffer() -> Buffer? {
        pool.take()
    }

    /// Buffers that ``takeBuffer()`` could give now.
    @inlinable
    public var freeBufferCount: Int { Int(pool.freeCount) }

    /// Buffers that somebody owes back: the handler, queued sends, and receives that wait for the bytes
    /// of one connection. 0 when nothing is under way.
    public var buffersInUse: Int { Int(pool.inUseCount) }

    /// Connections of this worker that have not ended, those that are being opened or ended included.
    public var connectionCount: Int { Int(table.openCount) }

    /// Gives a buffer of a `.received` back without sending it.
    @inlinable
    public mutating func release(_ buffer: Buffer) {
        pool.putBack(buffer)
    }

    /// Reads the first `byteCount` bytes of a buffer that the handler owns.
    @inlinable
    @inline(__always)
    public func withBytes<Result>(
        of buffer: Buffer, byteCount: Int, _ body: (RawSpan) -> Result
    ) -> Result {
        precondition(byteCount >= 0 && byteCount <= bufferByteCount)
        let bytes = unsafe UnsafeRawBufferPointer(
            start: pool.address(of: buffer), count: byteCount)
        return unsafe body(bytes.bytes)
    }

    /// Writes into a buffer that the handler owns.
    @inlinable
    @inline(__always)
    public mutating func withMutableBytes<Result>(
        of buffer: Buffer, byteCount: Int, _ body: (inout MutableRawSpan) -> Result
    ) -> Result {
        precondition(byteCount >= 0 && byteCount <= bufferByteCount)
        let bytes = unsafe UnsafeMutableRawBufferPointer(
            start: pool.address(of: buffer), count: byteCount)
        var span = unsafe bytes.mutableBytes
        return body(&span)
    }

    /// Ends the worker after this turn; its connections are closed.
    public mutating func stop() {
        isStopRequested = true
    }

    // MARK: For backends and tests

    @inlinable
    public subscript(position: Int) -> Operation {
        precondition(position >= 0 && position < used)
        return unsafe storage[position]
    }

    /// Forgets the operations of this turn.
    public mutating func removeAll() {
        used = 0
    }

    @inlinable
    mutating func append(_ operation: Operation) {
        if used == capacity { grow() }
        unsafe (storage + used).initialize(to: operation)
        used &+= 1
    }

    @usableFromInline
    mutating func grow() {
        let larger = UnsafeMutablePointer<Operation>.allocate(capacity: 2 * capacity)
        unsafe larger.moveInitialize(from: storage, count: used)
        unsafe storage.deallocate()
        unsafe storage = larger
        capacity *= 2
        growths += 1
    }
}
