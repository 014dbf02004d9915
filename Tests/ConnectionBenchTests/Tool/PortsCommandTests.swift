// `uring-bench ports` from end to end.

import FoundationEssentials
import Glibc
import Testing

@testable import ConnectionBench

private let hasSetpriv = (try? Subprocess.run(["setpriv", "--help"])) == 0

extension ToolTests {
    @Suite(.enabled(if: NetworkNamespace.isPermitted, NetworkNamespace.refusal))
    struct PortsCommandRuns {
        @Test("a small range is filled by each strategy")
        func small() throws {
            let file = try ResultPath()
            let tool = try ToolProcess(["ports", "--ports", "400", "--json", file.path])
            #expect(try tool.end() == 0, "\(tool.errors)\(tool.output)")
            #expect(tool.survivors == [])
            let result = try file.read(PortStoryResult.self)
            #expect(result.schema == "uring-bench.ports" && result.schemaVersion == "1.0")
            #expect(result.complete && result.exitCode == 0 && result.stopped == nil)
            #expect(result.plan.ports == 400)
            #expect(result.strategies.map(\.strategy) == PortStrategy.allCases)
            #expect(result.omitted.isEmpty)
            for climb in result.strategies {
                #expect(climb.connections == 400 && climb.distinctPorts == 400)
                #expect(climb.end == .exhausted && climb.errno == "EADDRNOTAVAIL")
                #expect(climb.points.count == 20)
            }
            #expect(tool.output.hasPrefix("uring-bench 0.1.0 "))
            #expect(tool.output.contains("planner: 400 connections in "))
        }

        @Test("with --json - standard output is pure JSON")
        func pureJSON() throws {
            let tool = try ToolProcess(["ports", "--ports", "20", "--quiet", "--json", "-"])
            #expect(try tool.end() == 0 && tool.errors == "")
            let result = try JSONDecoder().decode(
                PortStoryResult.self, from: Data(tool.output.utf8))
            #expect(result.complete && result.strategies.count == 4)
        }

        @Test("Ctrl-C writes what was measured")
        func interrupted() throws {
            let file = try ResultPath()
            let tool = try ToolProcess([
                "ports", "--ports", "10k", "--seconds", "600", "--json", file.path,
            ])
            try tool.says("10,000 source ports")
            kill(tool.pid, SIGINT)
            #expect(try tool.end() == 130, "\(tool.errors)")
            let result = try file.read(PortStoryResult.self)
            #expect(!result.complete && result.exitCode == 130)
            #expect(result.stopped?.kind == .interrupted)
            let last = try #require(result.strategies.last)
            #expect(last.end == .interrupted && last.connections < 10_000)
            #expect(tool.output.contains("stopped: interrupted by SIGINT"))
        }

        @Test("more ports than descriptors are refused with numbers")
        func descriptors() throws {
            let file = try ResultPath()
            let tool = try ToolProcess(
                ["ports", "--ports", "1000", "--json", file.path],
                wrapper: ["sh", "-c", "ulimit -n 500; exec \"$0\" \"$@\""])
            #expect(try tool.end() == 77)
            #expect(
                tool.errors == "uring-bench: 1,000 ports take as many descriptors; RLIMIT_NOFILE"
                    + " (hard) is 500 and leaves 436. Remedy: --ports 436, or ulimit -Hn 1064\n")
            #expect(tool.output == "")
            #expect(try file.read(PortStoryResult.self).stopped?.kind == .wall)
        }

        @Test(
            "without the privilege it says what to do",
            .enabled(if: hasSetpriv, "setpriv is missing"))
        func unprivileged() throws {
            let tool = try ToolProcess(
                ["ports", "--ports", "20", "--quiet"],
                wrapper: ["setpriv", "--bounding-set", "-sys_admin"])
            #expect(try tool.end() == 69)
            #expect(tool.errors.filter { $0 == "\n" }.count == 1)
            for text in ["EPERM", "CAP_SYS_ADMIN", "as root", "unshare -rn uring-bench"] {
                #expect(tool.errors.contains(text), "\(tool.errors)")
            }
        }

        @Test(
            "what the kernel does not know is named and left out",
            .enabled(if: hasStrace, "strace is missing, or may not trace"))
        func missingFeatures() throws {
            let file = try ResultPath()
            // The first two calls are the trials of the two options.
            let tool = try ToolProcess(
                ["ports", "--ports", "40", "--json", file.path],
                wrapper: [
                    "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=setsockopt", "-e",
                    "inject=setsockopt:error=ENOPROTOOPT:when=1..2",
                ])
            #expect(try tool.end() == 0, "\(tool.errors)")
            let result = try file.read(PortStoryResult.self)
            #expect(result.strategies.map(\.strategy) == [.kernel, .planner])
            #expect(result.omitted.map(\.strategy) == [.bindNoPort, .localRange])
            #expect(result.omitted[1].reason.contains("IP_LOCAL_PORT_RANGE needs Linux 6.3"))
            #expect(tool.output.contains("local-range: left out, IP_LOCAL_PORT_RANGE"))
        }
    }
}
