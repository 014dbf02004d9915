// The source addresses and ports that a client may bind: a walk through 127.0.0.0/8, or a list.

import ConnectionEngine

/// Where the connections of a plan come from.
public struct SourceRange: Hashable, Sendable {
    enum Addresses: Hashable, Sendable {
        /// Addresses of a network in rising order from the one with this index, wrapping at the end.
        case network(SourceNetwork, first: Int)
        case list([SocketAddress])
    }

    /// The ports that an unprivileged process may bind.
    public static let allPorts: ClosedRange<UInt16> = 1_024...65_535

    /// Source ports per address. Each port number that is in use anywhere costs the kernel a bind
    /// bucket of 128 bytes, and each pair one more: with few numbers on many addresses the first
    /// kind does not count. 127.0.0.0/8 has addresses for 137 billion such pairs.
    static let portsPerAddressMax = 8_192

    /// The ports to take for source addresses: the top of the longest stretch that the kernel does
    /// not choose from by itself.
    ///
    /// A port that was bound explicitly is passed over by the kernel's own search, for every
    /// program and address of the machine, also while it is in TIME_WAIT. A run that took its
    /// source ports from `ip_local_port_range` would leave other programs without any.
    public static func ports(outsideOf local: ClosedRange<Int>?) -> ClosedRange<UInt16> {
        guard let local else { return top(of: Int(allPorts.lowerBound)...Int(allPorts.upperBound)) }
        let below = Int(allPorts.lowerBound)...max(Int(allPorts.lowerBound), local.lowerBound - 1)
        let above = min(65_535, local.upperBound + 1)...65_535
        let longest = below.count >= above.count ? below : above
        guard longest.count >= 1_000 else {
            return top(of: Int(allPorts.lowerBound)...Int(allPorts.upperBound))
        }
        return top(of: longest)
    }

    /// The ports that a plan names, or those outside of the kernel's own range.
    static func ports(_ plan: RunPlan, _ host: HostFacts) -> ClosedRange<UInt16> {
        if let first = plan.sourcePortFirst, let last = plan.sourcePortLast, first <= last {
            return first...last
        }
        guard let first = host.localPortFirst, let last = host.localPortLast, first <= last
        else { return ports(outsideOf: nil) }
        return ports(outsideOf: first...last)
    }

    private static func top(of ports: ClosedRange<Int>) -> ClosedRange<UInt16> {
        let first = max(ports.lowerBound, ports.upperBound - portsPerAddressMax + 1)
        return UInt16(first)...UInt16(ports.upperBound)
    }

    let addresses: Addresses
    /// The kernel's own choice of ports (ip_local_port_range, ip_local_reserved_ports) does not
    /// limit this range: an explicit bind ignores both.
    let ports: ClosedRange<UInt16>
    /// Ports within the range that others occupy, see ``ListeningPorts``.
    let excludedPorts: Set<UInt16>

    /// Addresses of `network`, by default from 127.1.0.1 to 127.255.255.254.
    ///
    /// The first one depends on `seed` alone. Seeds that follow one another (process ids) lead far
    /// apart: of any 32,768 successive seeds no two start within 200 addresses, which is room for
    /// 12 million connections, so that a run meets no TIME_WAIT of an earlier one.
    ///
    /// - Parameter addressesMax: how many addresses may be used; `nil`: all.
    public init(
        seed: UInt64, ports: ClosedRange<UInt16> = Self.allPorts, excluding: Set<UInt16> = [],
        addressesMax: Int? = nil, network: SourceNetwork = .loopback
    ) {
        // Multiples of the golden ratio spread evenly over the circle of addresses.
        let turn = seed &* 0x9e37_79b9_7f4a_7c15
        let first = turn.multipliedFullWidth(by: UInt64(network.addressCount)).high
        self.addresses = .network(network, first: Int(first))
        self.addressCount = min(addressesMax ?? .max, network.addressCount)
        self.ports = ports
        self.excludedPorts = excluding
    }

    /// Addresses of this host, for a target that is not on the loopback. Their ports are ignored,
    /// and one that is listed twice is used once.
    public init(
        addresses: [SocketAddress], ports: ClosedRange<UInt16> = Self.allPorts,
        excluding: Set<UInt16> = []
    ) {
        var unique: [SocketAddress] = []
        for address in addresses {
            var host = address
            host.port = 0
            if !unique.contains(host) { unique.append(host) }
        }
        self.addresses = .list(unique)
        self.addressCount = unique.count
        self.ports = ports
        self.excludedPorts = excluding
    }

    let addressCount: Int

    var isIPv6: Bool? {
        switch addresses {
        case .network: false
        case .list(let list): list.first?.isIPv6
        }
    }

    var isMixed: Bool {
        guard case .list(let list) = addresses else { return false }
        return list.contains { $0.isIPv6 != list[0].isIPv6 }
    }

    /// - Precondition: `index` is below `addressCount`.
    @inline(__always)
    func address(at index: Int, port: UInt16) -> SocketAddress {
        switch addresses {
        case .network(let network, let first):
            let wrapped = first + index
            let count = network.addressCount
            let place = wrapped < count ? wrapped : wrapped - count
            return SocketAddress(ipv4: network.address(at: place), port: port)
        case .list(let list):
            var address = list[index]
            address.port = port
            return address
        }
    }
}

/// A network whose addresses are all this host's, as a row without those that end in 0 or 255.
public struct SourceNetwork: Codable, Hashable, Sendable {
    private static let perBlock = 254
    /// The first address of the first /24 block.
    let base: UInt32
    /// /24 blocks.
    let blocks: Int

    /// 127.1.0.0 to 127.255.255.255: servers live below it.
    public static let loopback = SourceNetwork(base: 0x7f01_0000, blocks: 255 * 256)
    /// 198.19.0.0/16, the clients' half of the network that RFC 2544 sets aside for benchmarks.
    public static let benchmark = SourceNetwork(base: 0xc613_0000, blocks: 256)

    var addressCount: Int { blocks * SourceNetwork.perBlock }

    @inline(__always)
    func address(at index: Int) -> UInt32 {
        let (block, host) = index.quotientAndRemainder(dividingBy: SourceNetwork.perBlock)
        return base + UInt32(block) << 8 + UInt32(host) + 1
    }
}
