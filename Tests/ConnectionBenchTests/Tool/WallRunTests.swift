// Walls that the tool meets in a network and a process limit of its own.

import ConnectionEngine
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite struct WallRuns {
        /// A small limit of open files, soft and hard.
        private static let fewDescriptors = [
            "sh", "-c", "ulimit -Sn 400; ulimit -Hn 400; exec \"$0\" \"$@\"",
        ]

        @Test("a plan of 300 sources ends at 300, and the ports are named without any errno")
        func plannedPorts() throws {
            let file = try ResultPath()
            let tool = try ToolProcess([
                "--backend", "epoll", "--conns", "max", "--source-ports", "20000-20099",
                "--sources", "3", "--probe", "0", "--hold", "0", "--json", file.path,
            ])
            #expect(try tool.end(seconds: 120) == 77, "\(tool.errors)\(tool.output)")
            #expect(tool.survivors == [])
            let result = try file.read()
            #expect(result.stopped?.kind == .wall)
            #expect(result.prediction?.wall == .ports && result.prediction?.connections == 300)
            #expect(result.prediction?.reached == 300)
            let verdict = try #require(result.verdict)
            #expect(verdict.wall == .ports && verdict.side == .client)
            #expect(verdict.proof[0] == "the clients have used every source of the plan")
            #expect(result.sweep?.connectionsEchoed == 300)
        }

        @Test(
            "io_uring with small direct tables loses no client",
            .enabled(if: BackendKind.tested.contains(.uring), "io_uring is missing here"))
        func smallTables() throws {
            let file = try ResultPath()
            let tool = try ToolProcess(
                [
                    "--backend", "uring", "--conns", "10k", "--steps", "5k,10k", "--processes", "1",
                    "--probe", "0", "--hold", "0", "--json", file.path,
                ], wrapper: Self.fewDescriptors)
            #expect(try tool.end(seconds: 120) == 0, "\(tool.errors)\(tool.output)")
            let result = try file.read()
            #expect(result.serverCounters?.accepted == 10_000)
            #expect(result.serverCounters?.acceptTableFull == 0)
        }

        @Test(
            "a process without descriptors is named, with the limit and what is open",
            arguments: [BackendKind.epoll, .threads])
        func descriptors(backend: BackendKind) throws {
            let file = try ResultPath()
            let tool = try ToolProcess(
                [
                    "--backend", backend.rawValue, "--conns", "max", "--processes", "1",
                    "--workers", "1", "--probe", "0", "--hold", "0", "--json", file.path,
                ], wrapper: Self.fewDescriptors)
            #expect(try tool.end(seconds: 120) == 77, "\(tool.errors)\(tool.output)")
            let result = try file.read()
            let verdict = try #require(result.verdict)
            #expect(verdict.wall == .descriptors && verdict.confidence == .high)
            #expect(verdict.proof[0].hasSuffix("failed with EMFILE"))
            #expect(verdict.proof[1] == "RLIMIT_NOFILE 400")
            let reached = try #require(result.prediction?.reached)
            #expect(reached > 300 && reached < 400)
        }
    }
}
