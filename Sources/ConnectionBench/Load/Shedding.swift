// Giving up a client's newest connections, a batch per turn.

import ConnectionEngine

/// Walks the links from the newest to the oldest, once.
struct Shedding {
    /// Ends per turn.
    static let batch = 256

    private var openLeft = 0
    private var openingLeft = 0
    private var cursor = 0
    /// Given up, and not yet ended.
    var inFlight = 0

    var hasScanned: Bool { cursor == 0 || openLeft == 0 && openingLeft == 0 }

    /// - Parameter target: connections that may stay. All that are opening go.
    mutating func restart(_ links: borrowing LinkTable, open: Int, opening: Int, target: Int) {
        openLeft = max(0, open - target)
        openingLeft = opening
        cursor = links.count
    }

    /// Marks the next connection to give up; `nil` when there is none left.
    ///
    /// - Returns: the connection, and how many of its requests were outstanding.
    mutating func next(
        _ links: inout LinkTable
    ) -> (id: ConnectionID, outstanding: Int)? {
        while !hasScanned {
            cursor -= 1
            let id = links.id(at: cursor)
            var link = links[id]
            if link.isShed { continue }
            if link.isOpening {
                openingLeft -= 1
            } else if link.isOpen, openLeft > 0 {
                openLeft -= 1
            } else {
                continue
            }
            let outstanding = link.outstanding
            link.shed()
            links[id] = link
            inFlight += 1
            return (id, outstanding)
        }
        return nil
    }
}
