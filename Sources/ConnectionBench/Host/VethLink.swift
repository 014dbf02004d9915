// Two namespaces joined by a virtual cable, with addresses that no real network has.

import ConnectionEngine

/// The addresses at both ends of a veth pair.
///
/// All are from 198.18.0.0/15, which RFC 2544 sets aside for benchmarks.
public struct VethLink: Hashable, Sendable {
    /// Where servers listen: 198.18.0.1. The port is 0.
    public let server = SocketAddress(ipv4: 0xc612_0001, port: 0)
    /// The client's end of the cable: 198.18.0.2. The port is 0.
    public let client = SocketAddress(ipv4: 0xc612_0002, port: 0)
    /// Further addresses of the client: 198.19.0.1 to 198.19.255.254.
    public static let sourceCount = 65_534

    /// One of the client's further addresses, each of which can be bound and connected from.
    public func source(_ index: Int) -> SocketAddress {
        precondition((0..<Self.sourceCount).contains(index), "source \(index)")
        return SocketAddress(ipv4: Self.sources + UInt32(index) + 1, port: 0)
    }

    static let prefix: UInt8 = 30
    static let sources: UInt32 = 0xc613_0000
    static let sourcesPrefix: UInt8 = 16
}

extension NetworkNamespace {
    /// Lays a virtual cable between two namespaces; it goes when either of them does.
    ///
    /// The client has 198.19.0.0/16 as local addresses without one entry for each (AnyIP), and the
    /// server one route back, so that one neighbour entry serves all of them.
    ///
    /// - Throws: EEXIST when a namespace has such a cable already, EOPNOTSUPP without veth.
    public static func joinByVeth(
        server: NetworkNamespace, client: NetworkNamespace
    ) throws(SystemError) -> VethLink {
        let link = VethLink()
        let serverAddress = UInt32(link.server.low)
        let clientAddress = UInt32(link.client.low)
        try server.inside { () throws(SystemError) in
            let routes = try RouteSocket()
            try routes.addVeth("to-client", peer: "to-server", in: client.fd)
            try routes.addAddress(serverAddress, prefix: VethLink.prefix, interface: "to-client")
            try routes.raise("to-client")
            try routes.addRoute(
                to: VethLink.sources, prefix: VethLink.sourcesPrefix, via: clientAddress)
        }
        try client.inside { () throws(SystemError) in
            let routes = try RouteSocket()
            try routes.addAddress(clientAddress, prefix: VethLink.prefix, interface: "to-server")
            try routes.raise("to-server")
            try routes.addLocalNetwork(VethLink.sources, prefix: VethLink.sourcesPrefix)
        }
        return link
    }
}
