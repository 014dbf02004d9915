// Nothing that the tool opens can be reached from another machine.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite struct Loopback {
        @Test(
            "every listening socket of a run is on loopback, the metrics port too",
            arguments: BackendKind.tested)
        func listening(backend: BackendKind) throws {
            // Its own network has no other program's sockets.
            let tool = try ToolProcess([
                "--backend", backend.rawValue, "--conns", "100", "--probe", "0", "--hold", "600",
                "--workers", "2", "--metrics", "0",
            ])
            try tool.says("100 connections")
            let server = try #require(tool.children.first)
            let addresses = try ListeningSockets.read(of: server)
            let isIsolated =
                HostFiles(root: "").link("/proc/\(tool.pid)/ns/net")
                != HostFiles(root: "").link("/proc/self/ns/net")
            if isIsolated {
                #expect(addresses.count == 3, "two servers and the metrics")
                #expect(addresses.allSatisfy { $0.hasPrefix("7F") }, "\(addresses)")
            }
            kill(tool.pid, SIGINT)
            #expect(try tool.end() == 130)
        }
    }
}

/// Local addresses of /proc/<pid>/net/tcp and tcp6, in the order of the network: `7F000001`.
private enum ListeningSockets {
    static func read(of pid: pid_t) throws -> [String] {
        try ["tcp", "tcp6"].flatMap { name in
            try TextFile.read("/proc/\(pid)/net/\(name)").split(separator: "\n").dropFirst()
                .compactMap { line -> String? in
                    let columns = line.split(separator: " ")
                    // 0A is TCP_LISTEN.
                    guard columns.count > 3, columns[3] == "0A",
                        let address = columns[1].split(separator: ":").first
                    else { return nil }
                    // Words are in the order of this machine.
                    return stride(from: 0, to: address.count, by: 2).reversed().map { offset in
                        String(address.dropFirst(offset).prefix(2))
                    }.joined()
                }
        }
    }
}
