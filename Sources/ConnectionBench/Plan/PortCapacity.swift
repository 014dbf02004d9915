// How many connections the source addresses and ports of a run allow.

import ConnectionEngine

/// A connection is a pair of addresses and ports; this counts the pairs that a run may have.
public struct PortCapacity: Codable, Hashable, Sendable {
    public let connections: Int
    /// The number that it follows from: pairs of the plan, or ports of the kernel's range.
    public let limit: Int
    public let origin: String
    public let formula: String
    /// How they follow from the width of the kernel's range; `nil` for a plan.
    public let demand: Demand?

    public init(
        connections: Int, limit: Int, origin: String, formula: String, demand: Demand? = nil
    ) {
        self.connections = connections
        self.limit = limit
        self.origin = origin
        self.formula = formula
        self.demand = demand
    }

    static let plannedOrigin = "the tuple plan"

    /// Sources that a plan binds explicitly.
    public init(planned plan: TuplePlan) {
        self.init(
            connections: plan.capacity, limit: plan.capacity, origin: Self.plannedOrigin,
            formula: "source addresses x usable ports, each pair once")
    }

    /// Ports that the kernel chooses: for each destination anew when connect(2) chooses them, and
    /// once in all when bind(2) does.
    ///
    /// - Parameters:
    ///   - listeners: destinations of the run. One whose port the kernel chooses takes it from the
    ///     same range.
    ///   - taken: ports of the range that sockets have now.
    public init?(
        _ choice: SourcePorts, facts: HostFacts, listeners: Int, listenersInRange: Bool, taken: Int
    ) {
        guard let first = facts.localPortFirst, let last = facts.localPortLast, first <= last
        else { return nil }
        let range = last - first + 1
        let reserved = Self.portCount(of: facts.localPortsReserved ?? "", within: first...last)
        let own = listenersInRange ? listeners : 0
        let factor = choice == .kernel ? listeners : 1
        let demand = Demand(taken: reserved + taken + own, perConnection: 1, parts: factor)
        var terms = "\(Count.format(range)) ports"
        if reserved > 0 { terms += " - \(Count.format(reserved)) reserved" }
        if taken > 0 { terms += " - \(Count.format(taken)) in use" }
        if own > 0 { terms += " - \(own) of our listeners" }
        if factor > 1 { terms = "(\(terms)) x \(factor) destinations" }
        self.init(
            connections: demand.connections(within: range), limit: range,
            origin: "/proc/sys/net/ipv4/ip_local_port_range", formula: terms, demand: demand)
    }

    var wall: Wall {
        Wall(
            resource: .ports, connectionsMax: connections, limit: limit, origin: origin,
            formula: formula, demand: demand)
    }

    /// Ports that a list such as `8080,9000-9010` has within a range.
    static func portCount(of list: String, within range: ClosedRange<Int>) -> Int {
        list.split(separator: ",").reduce(0) { sum, item in
            let ends = item.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, first <= last else { return sum }
            let low = max(first, range.lowerBound)
            let high = min(last, range.upperBound)
            return sum + max(0, high - low + 1)
        }
    }
}
