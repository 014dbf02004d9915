// Where the servers and clients of a run live: in this network, or in one or two of their own.

import ConnectionEngine

/// Whether a run has network namespaces of its own.
public enum Isolation: String, CaseIterable, Codable, Sendable {
    /// The network of this shell.
    case none
    /// One namespace with servers and clients, on its loopback.
    case loopback
    /// One namespace for each side and a virtual cable between them.
    case veth
}

/// The namespaces of one run. They end with its processes, whatever ends those.
final class RunNetwork {
    let server: NetworkNamespace?
    let client: NetworkNamespace?
    private let link: VethLink?

    /// - Parameter connections: for the size of the namespaces' own hash tables: two sockets each.
    init(_ plan: RunPlan, connections: Int) throws {
        guard plan.isolation != .none else {
            (server, client, link) = (nil, nil, nil)
            return
        }
        let sockets = plan.isolation == .veth ? connections : 2 * connections
        let entries = min(max(sockets, 65_536), NetworkNamespace.establishedHashEntriesMax)
        let server = try NetworkNamespace(establishedHashEntries: entries)
        self.server = server
        if plan.isolation == .veth {
            let client = try NetworkNamespace(establishedHashEntries: entries)
            self.client = client
            link = try NetworkNamespace.joinByVeth(server: server, client: client)
        } else {
            client = server
            link = nil
        }
        for (name, value) in plan.sysctls.sorted(by: { $0.key < $1.key }) {
            try setSysctl(name, value)
        }
    }

    /// The run has namespaces of its own.
    var isOwn: Bool { server != nil }

    /// In all of the run's own namespaces.
    func setSysctl(_ name: String, _ value: String) throws(SystemError) {
        try server?.setSysctl(name, value)
        if !isShared { try client?.setSysctl(name, value) }
    }

    /// Both sides see the same sockets and counters.
    var isShared: Bool { server === client }

    /// Addresses that clients may bind to.
    var sources: SourceNetwork { link == nil ? .loopback : .benchmark }

    func listeningAddress(port: UInt16) -> SocketAddress {
        guard var address = link?.server else { return .loopback(port: port) }
        address.port = port
        return address
    }

    func asServer<Result>(_ body: () throws -> Result) rethrows -> Result {
        try RunNetwork.run(body, in: server)
    }

    func asClient<Result>(_ body: () throws -> Result) rethrows -> Result {
        try RunNetwork.run(body, in: client)
    }

    private static func run<Result>(
        _ body: () throws -> Result, in namespace: NetworkNamespace?
    ) rethrows -> Result {
        guard let namespace else { return try body() }
        return try namespace.inside(body)
    }
}
