// The kernel's list of sockets, read in both ways, against sockets that the test has made.

import Glibc
import Testing

@testable import ConnectionBench

/// A listener that accepts nothing, and clients that wait in its queue.
private final class WaitingRoom {
    private(set) var port: UInt16 = 0
    private(set) var descriptors: [CInt] = []

    init(backlog: CInt, clients: Int, isIPv6: Bool = false) throws {
        let family = isIPv6 ? AF_INET6 : AF_INET
        let listener = socket(family, CInt(SOCK_STREAM.rawValue), 0)
        try #require(listener >= 0)
        descriptors = [listener]
        var storage = sockaddr_storage()
        storage.ss_family = sa_family_t(family)
        withUnsafeMutableBytes(of: &storage) { bytes in
            if isIPv6 {
                bytes[8 + 15] = 1
            } else {
                bytes[4] = 127
                bytes[7] = 1
            }
        }
        var length = socklen_t(isIPv6 ? 28 : 16)
        try withUnsafeMutablePointer(to: &storage) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                try #require(bind(listener, address, length) == 0)
                try #require(listen(listener, backlog) == 0)
                try #require(getsockname(listener, address, &length) == 0)
                for _ in 0..<clients {
                    let client = socket(family, CInt(SOCK_STREAM.rawValue), 0)
                    try #require(client >= 0)
                    descriptors.append(client)
                    try #require(connect(client, address, length) == 0)
                }
            }
            let bytes = UnsafeRawPointer(pointer)
            port = UInt16(bigEndian: bytes.load(fromByteOffset: 2, as: UInt16.self))
        }
    }

    deinit {
        for fd in descriptors { close(fd) }
    }

    var inodes: [UInt32] {
        descriptors.map { fd in
            var status = stat()
            return fstat(fd, &status) == 0 ? UInt32(truncatingIfNeeded: status.st_ino) : 0
        }
    }
}

@Suite struct SocketDiagnosisTests {
    @Test(
        "a listener shows its address, its queue and the queue's maximum", arguments: [false, true])
    func listener(isIPv6: Bool) throws {
        let room = try WaitingRoom(backlog: 7, clients: 3, isIPv6: isIPv6)
        let table = SocketTable(of: getpid())
        #expect(table.origin == "sock_diag")
        let listener = try #require(try table.listeners().first { $0.port == room.port })
        #expect(listener.address == (isIPv6 ? "[::1]" : "127.0.0.1"))
        #expect(listener.acceptQueue == 3 && listener.acceptQueueMax == .known(7))
        #expect(listener.inode == room.inodes[0])
    }

    @Test("sockets are counted by state and local port, and filtered by the kernel")
    func counts() throws {
        let room = try WaitingRoom(backlog: 7, clients: 3)
        let counts = try SocketTable(of: getpid()).counts(localPorts: [room.port])
        // Those that wait to be accepted are established already. Another program's sockets may be
        // in TIME_WAIT on this port.
        #expect(counts[.listen] == 1 && counts[.established] == 3)

        var inodes: [UInt32] = []
        try SocketDiagnosis().forEach(in: [.established], localPort: room.port) {
            inodes.append($0.inode)
        }
        #expect(inodes == [0, 0, 0], "not accepted: no descriptor is one of them")
    }

    @Test(
        "/proc/<pid>/net/tcp tells the same but for the queue's maximum", arguments: [false, true])
    func files(isIPv6: Bool) throws {
        let room = try WaitingRoom(backlog: 7, clients: 3, isIPv6: isIPv6)
        var listed: [TCPSocket] = []
        let path = "/proc/\(getpid())/net/tcp\(isIPv6 ? "6" : "")"
        try SocketTable.read(path) { if $0.localPort == room.port { listed.append($0) } }
        #expect(listed.count { $0.state == .established } == 3)
        let listener = ListenerFacts(try #require(listed.first { $0.state == .listen }))
        #expect(listener.address == (isIPv6 ? "[::1]" : "127.0.0.1"))
        #expect(listener.acceptQueue == 3 && listener.acceptQueueMax.value == nil)
        #expect(listener.inode == room.inodes[0])
        var own: Set<UInt32> = []
        try SocketTable.read(path) { own.insert($0.inode) }
        #expect(own.isSuperset(of: room.inodes))
    }

    @Test(
        "the sockets of another network namespace are listed from within it",
        .enabled(if: (try? Subprocess.run(["unshare", "-n", "true"])) == 0))
    func otherNamespace() throws {
        let room = try WaitingRoom(backlog: 7, clients: 1)
        let pid = try Subprocess.spawn(["unshare", "-n", "sleep", "600"])
        defer {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        let files = HostFiles(root: "")
        while files.link("/proc/\(pid)/ns/net") == files.link("/proc/self/ns/net") { usleep(1_000) }
        let table = SocketTable(of: pid)
        #expect(table.origin == "sock_diag in the process's own network namespace")
        #expect(try table.counts().total == 0)
        // And this process has not moved.
        let own = try SocketTable(of: getpid()).counts(localPorts: [room.port])
        #expect(own[.listen] == 1)
    }

    @Test("where a process may not be looked into, its files are read, and it is said")
    func fallback() throws {
        let host = try MadeUpHost()
        let header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when …\n"
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000"
        try host.add("/proc/7/net/tcp", header + line + "     0        0 4711 1 0 100 0 0 10 0\n")
        let table = SocketTable(of: 7, files: host.files)
        #expect(table.origin.hasPrefix("/proc/7/net/tcp, since"))
        let listener = try #require(try table.listeners().first)
        #expect(listener.address == "127.0.0.1" && listener.port == 8_080)
        #expect(listener.inode == 4_711 && listener.acceptQueue == 3)
        for bad in ["", " 0: 0100007F 0A", " 0: 01:1 0:0 0A 0:0 0:0 0 0 0 1", "x"] {
            try host.add("/proc/7/net/tcp", header + bad + "\n")
            #expect(throws: SocketTableError.self) { try table.counts() }
        }
    }

    @Test("in JSON the counts are states by name")
    func json() throws {
        var counts = TCPSocketCounts()
        counts[.established] = 5
        #expect(StoredJournal.line(counts) == "{\"established\":5}\n")
    }
}
