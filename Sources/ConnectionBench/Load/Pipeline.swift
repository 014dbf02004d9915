// The due times of the requests that are outstanding on each connection, in the order of their
// answers.

import ConnectionEngine

/// One outstanding request lies in its ``Link``; with a pipeline the further ones lie here.
///
/// A request has a number from 1 on that stays the same until it is answered, and begins anew after
/// the highest one, a multiple of the depth, so that any `depth` successive ones have a place each.
struct Pipeline: ~Copyable {
    let depth: Int
    private let sequenceEnd: UInt32
    /// `depth` places for each connection index; the highest bit: it is not measured.
    private let places: ConnectionArray<UInt64>

    private static let unmeasured: UInt64 = 1 << 63

    init(depth: Int, indexLimit: Int) {
        precondition(depth >= 1 && depth <= LoadShape.pipeliningMax, "a depth of \(depth)")
        self.depth = depth
        sequenceEnd = Link.sequenceMax / UInt32(depth) * UInt32(depth)
        places = ConnectionArray(count: depth > 1 ? indexLimit * depth : 0)
    }

    /// The number of the request after the one with this number.
    private func following(_ sequence: UInt32) -> UInt32 {
        sequence >= sequenceEnd ? 1 : sequence + 1
    }

    /// The number of the oldest request that is outstanding on a link.
    @inline(__always)
    func oldest(_ link: Link) -> UInt32 {
        let back = UInt32(max(0, link.outstanding - 1))
        return link.sequence > back ? link.sequence - back : link.sequence + sequenceEnd - back
    }

    private func place(_ id: ConnectionID, _ sequence: UInt32) -> Int {
        Int(id.index) * depth + Int(sequence) % depth
    }

    /// Takes a further request onto a link that has room for it.
    func push(_ id: ConnectionID, _ link: inout Link, due: MonotonicTime, isMeasured: Bool) {
        precondition(link.canTake(depth: depth), "no room for a request")
        link.sequence = following(link.sequence)
        link.outstanding += 1
        if depth > 1 {
            places[place(id, link.sequence)] =
                due.nanoseconds | (isMeasured ? 0 : Pipeline.unmeasured)
        }
        guard link.outstanding == 1 else { return }
        link.dueNanoseconds = due.nanoseconds
        link.isUnmeasured = !isMeasured
        link.received = 0
    }

    /// The oldest request is answered: the next one takes its place.
    func pop(_ id: ConnectionID, _ link: inout Link) {
        link.outstanding -= 1
        link.received = 0
        guard link.outstanding > 0 else {
            link.dueNanoseconds = 0
            link.isUnmeasured = false
            return
        }
        let next = places[place(id, oldest(link))]
        link.dueNanoseconds = next & ~Pipeline.unmeasured
        link.isUnmeasured = next & Pipeline.unmeasured != 0
    }

    /// When outstanding request `number` of a link, from 0 for the oldest, was due; `nil`: it is not
    /// measured.
    func measuredDue(_ id: ConnectionID, _ link: Link, _ number: Int) -> MonotonicTime? {
        if number == 0 { return link.isUnmeasured ? nil : link.due }
        let due = places[place(id, sequence(of: number, link))]
        return due & Pipeline.unmeasured == 0 ? MonotonicTime(nanoseconds: due) : nil
    }

    /// From here on no answer that is outstanding on the link is measured.
    func stopMeasuring(_ id: ConnectionID, _ link: inout Link) {
        link.isUnmeasured = true
        for number in 1..<max(1, link.outstanding) {
            places[place(id, sequence(of: number, link))] |= Pipeline.unmeasured
        }
    }

    private func sequence(of number: Int, _ link: Link) -> UInt32 {
        let sequence = oldest(link) + UInt32(number)
        return sequence > sequenceEnd ? sequence - sequenceEnd : sequence
    }
}
