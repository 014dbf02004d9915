// Lists of sockets: lines of /proc/net/tcp, a ring's fdinfo, and the kernel's binary answers.

import ConnectionEngine

@testable import ConnectionBench

extension FuzzTarget {
    public static let socketLines = FuzzTarget(
        "socket-lines",
        bytes: { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            for ports in [try? ListeningPorts.parse(text, path: "t").map { Int($0) }] {
                promise(ports?.allSatisfy { 0...65_535 ~= $0 } ?? true, "\(ports ?? [])")
            }
            if let ports = try? PortsInUse.parse(text, path: "t") {
                promise(ports.allSatisfy { 0...65_535 ~= $0 }, "\(ports)")
            }
            let range = 1_024...65_535
            let reserved = PortCapacity.portCount(of: text, within: range)
            promise(reserved >= 0, "\(reserved) reserved ports")
            var ring = RingTable()
            for line in bytes.split(separator: UInt8(ascii: "\n")) {
                line.withUnsafeBytes { line in
                    if let socket = TCPSocket(line: line) { check(socket) }
                    ring.add(line)
                }
            }
            promise(text.contains("UserFiles:") || ring.inodes.isEmpty, "sockets without a table")
        })

    private static func check(_ socket: TCPSocket) {
        let text = "\(socket.localAddress):\(socket.localPort)"
        guard let address = SocketAddress(text) else { fatalError("broken promise: '\(text)'") }
        promise(address.isIPv6 == socket.isIPv6, "the family of '\(text)'")
        promise(address.port == socket.localPort, "the port of '\(text)'")
        var counts = TCPSocketCounts()
        counts[socket.state] += 1
        promise(counts.total == 1, "\(socket.state) is not counted")
        let facts = ListenerFacts(socket)
        promise(facts.acceptQueue >= 0, "\(facts.acceptQueue) wait")
    }

    /// Answers of NETLINK_SOCK_DIAG and rtnetlink(7), as they lie in a buffer.
    public static let sockDiag = FuzzTarget(
        "sock-diag",
        bytes: { bytes in
            // Each at an address and of a length of its own, so that reading beyond it is found.
            for skipped in 0..<min(2, bytes.count) {
                let part = Array(bytes[skipped...])
                part.withUnsafeBytes { buffer in
                    var count = 0
                    let end = SocketDiagnosis.read(buffer) { socket in
                        check(socket)
                        count += 1
                    }
                    promise(count * 88 <= buffer.count, "\(count) sockets in \(buffer.count) bytes")
                    // An errno is judged and printed.
                    if let end { _ = "\(Errno(end))" }
                    let code = RouteSocket.code(in: buffer)
                    _ = "\(Errno(code))"
                }
            }
        })
}
