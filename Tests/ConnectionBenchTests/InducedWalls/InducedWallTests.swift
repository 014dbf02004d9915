// Each wall induced on purpose: prediction, verdict, exit code, result and recovery.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    /// They need root, as CI has it: network namespaces, control groups, a firewall's rule.
    @Suite(.enabled(if: geteuid() == 0, "walls are induced as root")) struct InducedWalls {
        private static let bare = ["--probe", "0", "--hold", "0", "--json", "-", "--quiet"]

        private func run(
            _ arguments: String, wrapper: [String] = [], path: String = ToolProcess.path
        ) throws -> ToolProcess {
            try ToolProcess(
                arguments.split(separator: " ").map(String.init) + Self.bare, wrapper: wrapper,
                path: path)
        }

        // MARK: Ports

        @Test("200 source ports that the kernel chooses from", arguments: BackendKind.tested)
        func ports(backend: BackendKind) throws {
            let tool = try run(
                "--backend \(backend.rawValue) --conns max --ports kernel --workers 1 --port 7000"
                    + " --netns loopback --sysctl net.ipv4.ip_local_port_range=20000\t20199")
            let wall = InducedWall(
                name: "port range of 200", wall: .ports, prediction: .exact, exitCode: 77)
            try wall.check(tool, code: tool.end())
            #expect(try tool.result().prediction?.connections == 200)
        }

        @Test("a port range that another program uses too")
        func sharedPorts() throws {
            // 120 of the 200 ports are held in the same namespace while the other one climbs.
            let holder =
                "echo '20000 20199' >/proc/sys/net/ipv4/ip_local_port_range && \"$0\" -b epoll"
                + " -n 120 --ports bind --port 7000 --workers 1 --probe 0 --hold 8 --quiet"
                + " >/dev/null & for i in $(seq 200); do grep -q 'inuse 24[0-9]'"
                + " /proc/net/sockstat && break; sleep 0.05; done; \"$0\" \"$@\"; code=$?; wait;"
                + " exit $code"
            let tool = try run(
                "--backend epoll --conns max --ports bind --port 8000 --workers 1",
                wrapper: ["sh", "-c", holder])
            let wall = InducedWall(
                name: "two processes on one port range", wall: .ports, prediction: .exact,
                exitCode: 77)
            try wall.check(tool, code: tool.end())
            #expect(try tool.result().prediction?.connections == 80)
        }

        @Test(
            "connections that end in order beyond tcp_max_tw_buckets", arguments: BackendKind.tested
        )
        func timeWait(backend: BackendKind) throws {
            let tool = try run(
                "--backend \(backend.rawValue) --conns 600 --close fin --netns loopback"
                    + " --sysctl net.ipv4.tcp_max_tw_buckets=100")
            let wall = InducedWall(
                name: "tcp_max_tw_buckets 100", wall: .timeWait,
                prediction: .none(reached: 600...600),
                exitCode: 0)
            try wall.check(tool, code: tool.end())
            // Each processor checks the limit before it counts, so a few more may pass together.
            let timeWait = try #require(try tool.result().teardown?.timeWait)
            #expect((100...104).contains(timeWait), "\(timeWait)")
        }

        // MARK: Descriptors

        @Test("RLIMIT_NOFILE 2,000 in one process", arguments: [BackendKind.epoll, .threads])
        func descriptors(backend: BackendKind) throws {
            let tool = try run(
                "--backend \(backend.rawValue) --conns max --processes 1 --workers 1",
                wrapper: ["prlimit", "--nofile=2000:2000"])
            let wall = InducedWall(
                name: "RLIMIT_NOFILE 2,000", wall: .descriptors, prediction: .exact, exitCode: 77)
            try wall.check(tool, code: tool.end())
            #expect(try tool.result().prediction?.connections ?? 0 > 1_950)
        }

        @Test("RLIMIT_NOFILE 2,000 is no wall for direct descriptors", .enabled(if: hasURing))
        func descriptorsOfRings() throws {
            let tool = try run(
                "--backend uring --conns 6000 --processes 1 --workers 1",
                wrapper: ["prlimit", "--nofile=2000:2000"])
            let wall = InducedWall(
                name: "RLIMIT_NOFILE 2,000", wall: nil, prediction: .none(reached: 6_000...6_000),
                exitCode: 0)
            try wall.check(tool, code: tool.end())
        }

        @Test(
            "every direct table full, and no descriptor for a further ring", .enabled(if: hasURing))
        func fullTables() throws {
            let tool = try run(
                "--backend uring --conns max --processes 1 --workers 1",
                wrapper: ["prlimit", "--nofile=60:60"])
            let wall = InducedWall(
                name: "full direct tables (RLIMIT_NOFILE 60)", wall: .descriptors,
                prediction: .exact, exitCode: 77)
            try wall.check(tool, code: tool.end())
        }

        // MARK: Threads

        @Test("a control group of 100 threads")
        func groupThreads() throws {
            let group = try LimitedGroup("pids", limit: 100)
            let tool = try run("--backend threads --conns max", wrapper: group.entrance)
            let wall = InducedWall(
                name: "pids control group of 100", wall: .controlGroupThreads,
                prediction: .within(percent: 5), exitCode: 77)
            try wall.check(tool, code: tool.end())
        }

        @Test("a control group of 100 threads, met although it was predicted")
        func groupThreadsMet() throws {
            let group = try LimitedGroup("pids", limit: 100)
            let tool = try run(
                "--backend threads --conns 60 --ignore-walls", wrapper: group.entrance)
            let wall = InducedWall(
                name: "pids control group of 100, ignored", wall: .controlGroupThreads,
                prediction: .none(reached: 40...46), exitCode: 77)
            try wall.check(tool, code: tool.end())
        }

        @Test("RLIMIT_NPROC 100 of an ordinary user")
        func userThreads() throws {
            let copy = try PublicTool()
            let tool = try run(
                "--backend threads --conns max",
                wrapper: [
                    "prlimit", "--nproc=100:100", "setpriv", "--reuid=65534", "--regid=65534",
                    "--clear-groups",
                ], path: copy.path)
            let wall = InducedWall(
                name: "RLIMIT_NPROC 100", wall: .userThreads, prediction: .within(percent: 5),
                exitCode: 77)
            try wall.check(tool, code: tool.end())
        }

        // MARK: Memory

        @Test(
            "a control group of 300 MB ends the climb before the kernel's killer does",
            arguments: BackendKind.tested.filter { $0 != .threads })
        func groupMemory(backend: BackendKind) throws {
            let group = try LimitedGroup("memory", limit: 300_000_000)
            let tool = try run("--backend \(backend.rawValue) --conns max", wrapper: group.entrance)
            let wall = InducedWall(
                name: "memory control group of 300 MB", wall: .controlGroupMemory,
                prediction: .within(percent: 5), exitCode: 77)
            try wall.check(tool, code: tool.end(seconds: 180))
            let result = try tool.result()
            #expect(result.steps.last?.verified == true)
            #expect(result.governor.contains { $0.to == "amber" })
        }

        // MARK: Queues

        @Test("a burst against a backlog of 8", .enabled(if: hasURing))
        func backlog() throws {
            // All connects in one kernel entry, and a server that shares the processor: nothing is
            // accepted meanwhile. The other backends' servers may be as fast as their clients.
            let tool = try run(
                "--backend uring --conns 40 --backlog 8 --no-pacing --connect-window 2000"
                    + " --workers 1 --netns loopback"
                    // With cookies the kernel forgets clients that it has answered already.
                    + " --sysctl net.ipv4.tcp_syncookies=0", wrapper: ["taskset", "-c", "0"])
            let wall = InducedWall(
                name: "backlog 8 against a burst", wall: .acceptQueue,
                prediction: .none(reached: 40...40), exitCode: 0)
            try wall.check(tool, code: tool.end(seconds: 180))
        }

        @Test("a firewall that remembers 3,000 connections", .enabled(if: hasNFT))
        func conntrack() throws {
            let table = try SmallConntrackTable(3_000)
            defer { _fixLifetime(table) }
            let tool = try run(
                "--backend epoll --conns max", wrapper: SmallConntrackTable.tracking)
            let wall = InducedWall(
                name: "conntrack table of 3,000", wall: .conntrack, prediction: .within(percent: 5),
                exitCode: 77)
            try wall.check(tool, code: tool.end(seconds: 120))
        }

        // MARK: The other end

        @Test("a server that is stopped in the midst of the ramp", arguments: BackendKind.tested)
        func frozen(backend: BackendKind) throws {
            let tool = try run(
                "--backend \(backend.rawValue) --conns 4000 --steps 4000 --connect-rate 1000"
                    + " --stall-timeout 4")
            try tool.wait("its children") { tool.children.count == 2 }
            let server = try #require(tool.children.first)
            try tool.wait("some connections") {
                (try? SocketStatistics.read(of: server).tcpInUse) ?? 0 > 400
            }
            kill(server, SIGSTOP)
            let wall = InducedWall(
                name: "server frozen with SIGSTOP", wall: .frozenPeer,
                prediction: .none(reached: 100...3_999), exitCode: 77)
            // It can only be killed.
            try wall.check(tool, code: tool.end(seconds: 120), allowsKilled: true)
        }

        @Test("half of the connections ended by ss -K", arguments: BackendKind.tested)
        func killed(backend: BackendKind) throws {
            let tool = try ToolProcess(
                "--conns 1000 --steps 1000 --port 7000 --workers 2 --probe 0 --hold 600 --json - -b"
                    .split(separator: " ").map(String.init) + [backend.rawValue])
            try tool.says("echoed on all 1,000")
            let client = try #require(tool.children.last)
            let ended = try Subprocess.run([
                "nsenter", "-t", "\(client)", "-n", "ss", "-K", "-t", "state", "established",
                "dport", "=", ":7000",
            ])
            #expect(ended == 0)
            let wall = InducedWall(
                name: "ss -K of half the connections", wall: .outside,
                prediction: .none(reached: 1_000...1_000), exitCode: 1)
            try wall.check(tool, code: tool.end(seconds: 60))
            let verdict = try #require(try tool.result().verdict)
            #expect(verdict.proof.first?.hasPrefix("500 connections lost") == true)
        }

        // MARK: io_uring

        private func inject(_ call: String, _ error: String, when: String) -> [String] {
            [
                "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e",
                "inject=\(call):error=\(error):when=\(when)",
            ]
        }

        @Test(
            "io_uring that is forbidden", .enabled(if: hasStrace && hasURing),
            arguments: ["EPERM", "ENOSYS"])
        func forbidden(error: String) throws {
            let tool = try run(
                "--backend uring --conns 100", wrapper: inject("io_uring_setup", error, when: "1+"))
            let wall = InducedWall(
                name: "io_uring_setup gives \(error)", wall: .ioUring,
                prediction: .none(reached: 0...0), exitCode: 69)
            try wall.check(tool, code: tool.end())
        }

        @Test("no memory for the fourth ring of a worker", .enabled(if: hasStrace && hasURing))
        func fourthRing() throws {
            let tool = try run(
                "--backend uring --conns 600 --workers 1 --ignore-walls",
                wrapper: ["prlimit", "--nofile=100:100"]
                    + inject("io_uring_setup", "ENOMEM", when: "4+"))
            let wall = InducedWall(
                name: "io_uring_setup gives ENOMEM, from the 4th ring on", wall: .ioUring,
                prediction: .none(reached: 290...300), exitCode: 77)
            try wall.check(tool, code: tool.end())
        }

        @Test(
            "io_uring_enter that fails now and then is no wall",
            .enabled(if: hasStrace && hasURing), arguments: ["EAGAIN", "EBUSY", "EINTR"])
        func enter(error: String) throws {
            let tool = try run(
                "--backend uring --conns 500",
                wrapper: inject("io_uring_enter", error, when: "20+7"))
            let wall = InducedWall(
                name: "io_uring_enter gives \(error), every 7th", wall: nil,
                prediction: .none(reached: 500...500), exitCode: 0)
            try wall.check(tool, code: tool.end())
            #expect(try tool.result().serverCounters?.entryRetries ?? 0 > 0)
        }
    }
}

private let hasURing = BackendKind.tested.contains(.uring)
private let hasNFT = (try? Subprocess.run(["nft", "--version"])) == 0
