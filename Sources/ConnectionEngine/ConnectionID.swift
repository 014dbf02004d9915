// The name of a connection: an index with a generation, never a descriptor.

/// Names one connection for its whole life, and never the next one in the same slot.
///
/// Unique within one worker. `index` is dense enough to address an array with
/// ``OperationQueue/connectionIndexLimit`` elements.
@frozen
public struct ConnectionID: Hashable, Sendable {
    public let index: UInt32
    /// 24 bits; counts how often the slot was used.
    public let generation: UInt32

    @inlinable
    public init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }

    static let generationMask: UInt32 = 0x00ff_ffff
}
