// The connections of a process, and where it takes them.

/// Only TCP. A socket is the process's when one of its descriptors, or direct descriptors, is it.
public struct ProcessNetwork: Codable, Hashable, Sendable {
    /// Where the sockets were listed.
    public let origin: String
    /// Its listening sockets; a descriptor of each may be in other processes too.
    public let listeners: [ListenerFacts]
    /// Its own sockets by state, listeners included.
    public let own: TCPSocketCounts
    /// Every socket on the listeners' ports in its network, whoever's, without the listeners.
    public let onListeningPorts: TCPSocketCounts
    /// Connections that were refused or dropped because an accept queue was full, since the
    /// network's start and over all its listeners.
    public let listenOverflows: Fact<Int>

    static func read(
        of pid: Int32, sockets: Fact<Set<UInt32>>, files: HostFiles
    ) -> Fact<ProcessNetwork> {
        let inodes: Set<UInt32>
        switch sockets {
        case .unknown(let reason): return .unknown(because: reason)
        case .known(let set): inodes = set
        }
        let table = SocketTable(of: pid, files: files)
        do throws(SocketTableError) {
            let listeners = try table.listeners().filter { inodes.contains($0.inode) }
            let ports = Set(listeners.map(\.port))
            var own = TCPSocketCounts()
            own[.listen] = listeners.count
            var onPorts = TCPSocketCounts()
            try table.forEach(in: TCPState.all.subtracting([.listen])) { socket in
                if socket.inode != 0, inodes.contains(socket.inode) { own[socket.state] += 1 }
                if ports.contains(socket.localPort) { onPorts[socket.state] += 1 }
            }
            return .known(
                ProcessNetwork(
                    origin: table.origin, listeners: listeners, own: own,
                    onListeningPorts: onPorts, listenOverflows: overflows(pid, files)))
        } catch {
            return .unknown(because: "\(error)")
        }
    }

    private static func overflows(_ pid: Int32, _ files: HostFiles) -> Fact<Int> {
        Fact { () throws(FileError) in
            let path = "/proc/\(pid)/net/netstat"
            let text = try files.read(path)
            guard
                let value = try NetworkCounters.parseTable(text, path: path)[
                    "TcpExtListenOverflows"]
            else { throw FileError(path: path, expected: "ListenOverflows") }
            return value
        }
    }
}
