// Who connects to whom: a 4-tuple for each connection, fixed before the first one is made.

import ConnectionEngine

/// Why a plan cannot be made; one line, with the numbers and the remedy.
public enum TuplePlanError: Error, Hashable, Sendable, CustomStringConvertible {
    case noDestination
    case noSource
    case destinationWithoutPort(SocketAddress)
    case mixedFamilies
    case tooManyConnections(wanted: Int, capacity: Int)

    public var description: String {
        switch self {
        case .noDestination:
            "no destination to connect to: name one, for example 127.0.0.1:7000"
        case .noSource:
            "no source address and port left to connect from: widen the port range"
        case .destinationWithoutPort(let address):
            "\(address) has no port: name one, for example 127.0.0.1:7000"
        case .mixedFamilies:
            "sources and destinations mix IPv4 and IPv6: use one family per run"
        case .tooManyConnections(let wanted, let capacity):
            "\(Count.format(wanted)) connections need as many source addresses with a port, there "
                + "are \(Count.format(capacity)): add source addresses or widen the port range"
        }
    }
}

/// The source and destination of every connection, computed from its number.
///
/// 1. No two connections share a (source address, source port) pair, hence no 4-tuple.
/// 2. Connection i goes to destination i mod D, so that any first n connections are spread evenly.
/// 3. Successive connections walk the ports of one source address before they take the next.
/// 4. The ports of the destinations are no source ports. A listener could occupy such a port on the
///    source's address, also as a wildcard, and a socket might connect to itself.
/// 5. A look-up takes constant time and allocates nothing.
///
/// The kernel's own search for a free port slows down to 300 connections a second once half of a
/// range is used; an explicit bind of these pairs does not.
public struct TuplePlan: Sendable {
    public struct Tuple: Hashable, Sendable {
        public let source: SocketAddress
        public let destination: SocketAddress
    }

    public let sources: SourceRange
    public let destinations: [SocketAddress]
    /// The numbers of this part's connections within the whole plan.
    public let range: Range<Int>
    /// Usable source ports in rising order, at most 64,512.
    private let ports: [UInt16]

    /// - Throws: when the pairs do not suffice, or sources and destinations do not go together.
    public init(
        connections: Int, sources: SourceRange, destinations: [SocketAddress]
    ) throws(TuplePlanError) {
        precondition(connections >= 0, "\(connections) connections")
        guard let first = destinations.first else { throw .noDestination }
        if let address = destinations.first(where: { $0.port == 0 }) {
            throw .destinationWithoutPort(address)
        }
        guard let isIPv6 = sources.isIPv6 else { throw .noSource }
        guard !sources.isMixed, isIPv6 == first.isIPv6,
            destinations.allSatisfy({ $0.isIPv6 == isIPv6 })
        else { throw .mixedFamilies }

        let taken = sources.excludedPorts.union(destinations.map(\.port))
        ports = sources.ports.filter { $0 != 0 && !taken.contains($0) }
        guard !ports.isEmpty else { throw .noSource }
        self.sources = sources
        self.destinations = destinations
        self.range = 0..<connections
        guard connections <= capacity else {
            throw .tooManyConnections(wanted: connections, capacity: capacity)
        }
    }

    /// How many connections the whole plan could have with these sources and destinations.
    public var capacity: Int { sources.addressCount * ports.count }

    /// Connections of this part.
    public var count: Int { range.count }

    /// - Parameter index: counted from 0 within this part.
    public subscript(index: Int) -> Tuple {
        let number = range.lowerBound + index
        precondition(index >= 0 && number < range.upperBound, "connection \(index) of \(count)")
        let (address, port) = number.quotientAndRemainder(dividingBy: ports.count)
        return Tuple(
            source: sources.address(at: address, port: ports[port]),
            destination: destinations[number % destinations.count])
    }

    /// Part `index` of `count` nearly equal ones: contiguous, disjoint, together all of this plan.
    ///
    /// A part can be sliced again, for a process and then for each of its workers. Connections keep
    /// their numbers in the whole plan and therefore their tuples.
    public func slice(_ index: Int, of count: Int) -> TuplePlan {
        precondition(count >= 1 && index >= 0 && index < count, "part \(index) of \(count)")
        func bound(_ part: Int) -> Int {
            let (high, low) = self.count.multipliedFullWidth(by: part)
            return range.lowerBound + count.dividingFullWidth((high, low)).quotient
        }
        return TuplePlan(self, range: bound(index)..<bound(index + 1))
    }

    private init(_ whole: TuplePlan, range: Range<Int>) {
        sources = whole.sources
        destinations = whole.destinations
        ports = whole.ports
        self.range = range
    }
}
