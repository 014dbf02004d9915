// The TCP ports that some process of this network namespace listens on.

/// A listener on the wildcard address occupies its port on every loopback address: an explicit bind
/// of a source address to that port fails with EADDRINUSE, once for each source address of a plan.
public enum ListeningPorts {
    /// Reads the heads of /proc/net/tcp and tcp6, where the kernel lists the listeners before all
    /// other sockets. Cheap, but for tcp6: the kernel looks there through all IPv4 sockets as well,
    /// which took 0.26 s beside 600,000 sockets of another program.
    public static func read() throws(FileError) -> Set<UInt16> {
        var ports: Set<UInt16> = []
        let folder = NetworkFolder.path(of: nil)
        for path in ["\(folder)/tcp", "\(folder)/tcp6"] {
            let text: String
            do {
                text = try TextFile.readHead(path) { isHeader($0) || state($0) == listening }
            } catch let error where error.isMissing && path.hasSuffix("6") {
                // A kernel without IPv6.
                continue
            }
            ports.formUnion(try parse(text, path: path))
        }
        return ports
    }

    /// Lines such as `0: 0100007F:1F90 00000000:0000 0A …`: local and remote address, state.
    static func parse(_ text: String, path: String) throws(FileError) -> Set<UInt16> {
        var ports: Set<UInt16> = []
        for line in text.split(separator: "\n") where !isHeader(line) {
            let columns = line.split(separator: " ", maxSplits: 4)
            guard columns.count == 5, let colon = columns[1].lastIndex(of: ":"),
                let port = UInt16(columns[1][columns[1].index(after: colon)...], radix: 16)
            else { throw FileError(path: path, expected: "an address and port in '\(line)'") }
            if state(line) == listening { ports.insert(port) }
        }
        return ports
    }

    /// TCP_LISTEN of the kernel, in the form of the file.
    private static let listening: Substring = "0A"

    private static func isHeader(_ line: Substring) -> Bool { line.contains("local_address") }

    private static func state(_ line: Substring) -> Substring? {
        let columns = line.split(separator: " ", maxSplits: 4)
        return columns.count == 5 ? columns[3] : nil
    }
}
