// Connections that wait for their turn, first in, first out.

/// A queue of ids in a ring of places. It allocates only when it holds more than ever before, so a
/// connection that is queued again and again costs nothing.
struct ConnectionQueue {
    /// A power of two of them.
    private var places: [ConnectionID]
    private var head = 0
    private(set) var count = 0

    /// - Parameter expected: ids that fit without growing.
    init(expected: Int = 64) {
        var capacity = 64
        while capacity < expected { capacity *= 2 }
        places = Array(repeating: ConnectionID(index: .max, generation: 0), count: capacity)
    }

    var isEmpty: Bool { count == 0 }

    mutating func append(_ id: ConnectionID) {
        if count == places.count { grow() }
        places[(head &+ count) & (places.count &- 1)] = id
        count &+= 1
    }

    /// The oldest; it stays.
    var first: ConnectionID? { isEmpty ? nil : places[head] }

    mutating func popFirst() -> ConnectionID? {
        if isEmpty { return nil }
        let id = places[head]
        head = (head &+ 1) & (places.count &- 1)
        count &-= 1
        return id
    }

    private mutating func grow() {
        var larger = ConnectionQueue(expected: 2 * places.count)
        for offset in 0..<count {
            larger.append(places[(head &+ offset) & (places.count &- 1)])
        }
        self = larger
    }
}
