// Network namespaces of our own: isolated, left again, and gone without a trace.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

extension NetworkNamespace {
    /// Making one takes CAP_SYS_ADMIN: the tests that need it are disabled without, visibly.
    static let isPermitted = (try? NetworkNamespace()) != nil
    static let refusal: Comment = "network namespaces need root, or `unshare -rn`"
}

@Suite(.enabled(if: NetworkNamespace.isPermitted, NetworkNamespace.refusal))
struct NetworkNamespaceTests {
    private static let portRange = "net.ipv4.ip_local_port_range"

    /// The namespace of the calling thread, such as `net:[4026531840]`.
    private var current: String {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = max(0, readlink("/proc/thread-self/ns/net", &buffer, buffer.count))
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    @Test("a sysctl that is set inside does not change outside")
    func sysctlIsolation() throws {
        let outside = try Sysctl(Self.portRange).read()
        let namespace = try NetworkNamespace()
        try namespace.setSysctl(Self.portRange, "20000 20099")
        #expect(try namespace.sysctl(Self.portRange) == "20000\t20099")
        #expect(try Sysctl(Self.portRange).read() == outside)
        #expect(try NetworkNamespace().sysctl(Self.portRange) != "20000\t20099")
    }

    @Test("a port that is taken inside is free outside, and loopback carries connections")
    func portIsolation() throws {
        let namespace = try NetworkNamespace()
        let inside = try namespace.inside { try TestSocket.listening(on: .loopback(port: 0)) }
        let outside = TestSocket()
        #expect(try outside.connect(inside.local) == ECONNREFUSED)
        #expect(try TestSocket().bind(inside.local) == 0)

        let client = namespace.inside { TestSocket() }
        #expect(try client.connect(inside.local) == 0)
        #expect(try inside.accept().peer == client.local)
    }

    @Test("the thread comes back: from init, from a body, from one that throws, and from two")
    func comingBack() throws {
        struct Failure: Error {}
        let home = current
        let one = try NetworkNamespace()
        let other = try NetworkNamespace(establishedHashEntries: 256)
        #expect(current == home)

        let inOne = one.inside { current }
        let inOther = other.inside { current }
        #expect(Set([home, inOne, inOther]).count == 3)
        #expect(current == home)
        #expect(throws: Failure.self) { try one.inside { throw Failure() } }
        #expect(current == home)
        one.inside {
            #expect(other.inside { current } == inOther)
            #expect(current == inOne)
        }
        #expect(current == home)
    }

    @Test(
        "a hash table of its own has the size that was asked for, rounded up",
        arguments: [(1, 1), (1_000, 1_024), (65_536, 65_536), (65_537, 131_072)])
    func hashSize(asked: Int, given: Int) throws {
        let before = try Sysctl("net.ipv4.tcp_child_ehash_entries").read()
        let namespace = try NetworkNamespace(establishedHashEntries: asked)
        #expect(try namespace.sysctl("net.ipv4.tcp_ehash_entries") == "\(given)")
        #expect(try Sysctl("net.ipv4.tcp_child_ehash_entries").read() == before)
        // Without that, the table is the host's.
        #expect(try NetworkNamespace().sysctl("net.ipv4.tcp_ehash_entries").hasPrefix("-"))
    }

    @Test("a hash table beyond the kernel's largest is refused", arguments: [0, -1, 1 << 24 + 1])
    func hashTooLarge(asked: Int) {
        let error = #expect(throws: SystemError.self) {
            try NetworkNamespace(establishedHashEntries: asked)
        }
        #expect(error?.description.contains("allowed is 1 to 16,777,216") == true)
    }

    @Test(
        "a sysctl that is the machine's is refused, and nothing is written",
        arguments: [
            "vm.swappiness", "fs.file-max", "kernel.pid_max", "net", "", "net.", "net..core",
            "net/../vm/swappiness", "../vm/swappiness", "/proc/sys/net/core/somaxconn",
        ])
    func foreignSysctl(name: String) throws {
        let namespace = try NetworkNamespace()
        for attempt in [
            { try namespace.setSysctl(name, "1") }, { _ = try namespace.sysctl(name) },
        ] {
            let error = #expect(throws: SystemError.self) { try attempt() }
            #expect(error?.errno.code == EINVAL)
            #expect(error?.remedy.contains("change the host") == true)
        }
    }

    @Test("a sysctl that a namespace has not, and a value that is wrong, are said so")
    func sysctlErrors() throws {
        let namespace = try NetworkNamespace()
        let absent = #expect(throws: SystemError.self) {
            try namespace.setSysctl("net.core.netdev_max_backlog", "2000")
        }
        #expect(absent?.description.contains("net.core.netdev_max_backlog=2000") == true)
        #expect(absent?.remedy.contains("once for the machine") == true)
        let wrong = #expect(throws: SystemError.self) {
            try namespace.setSysctl(Self.portRange, "many")
        }
        #expect(wrong?.remedy == "the kernel refuses the value")
    }

    @Test("a name with slashes reaches what a name with dots cannot")
    func slashes() throws {
        let namespace = try NetworkNamespace()
        try namespace.setSysctl("net/ipv4/conf/lo/rp_filter", "2")
        #expect(try namespace.sysctl("net.ipv4.conf.lo.rp_filter") == "2")
    }
}

@Suite(.enabled(if: NetworkNamespace.isPermitted, NetworkNamespace.refusal))
struct VethTests {
    @Test("connections cross the cable from several source addresses")
    func sources() throws {
        let server = try NetworkNamespace()
        let client = try NetworkNamespace()
        let link = try NetworkNamespace.joinByVeth(server: server, client: client)
        let listener = try server.inside { try TestSocket.listening(on: link.server) }
        let sources =
            [link.client]
            + [0, 1, 255, 256, 32_000, VethLink.sourceCount - 1].map { link.source($0) }
        for source in sources {
            let socket = client.inside { TestSocket() }
            #expect(socket.bind(source) == 0, "\(source)")
            #expect(try socket.connect(listener.local) == 0, "\(source)")
            let accepted = listener.accept()
            #expect(try accepted.peer == socket.local && socket.local.low == source.low)
        }
        #expect(link.server.description == "198.18.0.1:0")
        #expect(link.source(VethLink.sourceCount - 1).description == "198.19.255.254:0")
    }

    @Test("two namespaces are joined once")
    func twice() throws {
        let server = try NetworkNamespace()
        let client = try NetworkNamespace()
        _ = try NetworkNamespace.joinByVeth(server: server, client: client)
        let error = #expect(throws: SystemError.self) {
            try NetworkNamespace.joinByVeth(server: server, client: client)
        }
        #expect(error?.errno.code == EEXIST)
    }

    /// Whether the namespace still has the other end of the cable. The kernel takes it away when it
    /// removes the namespace at the far end, which it does some time after its last user has gone.
    private func hasCable(_ namespace: NetworkNamespace) -> Bool {
        namespace.inside { if_nametoindex("to-client") != 0 }
    }

    private func waitUntil(_ condition: () -> Bool) -> Bool {
        let deadline = MonotonicTime.now.advanced(byNanoseconds: 60_000_000_000)
        while !condition() {
            if MonotonicTime.now > deadline { return false }
            usleep(10_000)
        }
        return true
    }

    @Test("a namespace is gone with its owner")
    func nothingLeft() throws {
        let names = (try? TextFile.names(in: "/run/netns")) ?? []
        let server = try NetworkNamespace()
        var client: NetworkNamespace? = try NetworkNamespace()
        _ = try NetworkNamespace.joinByVeth(server: server, client: try #require(client))
        #expect(hasCable(server))
        client = nil
        #expect(waitUntil { !hasCable(server) })
        #expect((try? TextFile.names(in: "/run/netns")) ?? [] == names)
    }

    @Test("a namespace lives on in a child process, and is gone when that is killed")
    func childProcess() throws {
        let server = try NetworkNamespace()
        var client: NetworkNamespace? = try NetworkNamespace()
        _ = try NetworkNamespace.joinByVeth(server: server, client: try #require(client))
        let child = try #require(client).inside { try? Subprocess.spawn(["sleep", "600"]) }
        let pid = try #require(child)
        client = nil
        usleep(300_000)
        #expect(hasCable(server))
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
        #expect(waitUntil { !hasCable(server) })
    }
}
