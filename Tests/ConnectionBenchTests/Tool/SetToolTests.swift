// Several runs in turns through the real tool: sets, thresholds, and an end in the middle.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite struct Sets {
        private static let small = [
            "--conns", "500", "--steps", "500", "--probe", "0.3", "--rate", "1k", "--hold", "0",
        ]

        @Test("two backends take turns, and one file has all runs and their comparison")
        func backends() throws {
            let file = try ResultPath()
            let tool = try ToolProcess(
                [
                    "--backend", "epoll,threads", "--repeats", "2", "--fail-if", "p99>1us",
                    "--json", file.path,
                ] + Self.small)
            #expect(try tool.end(seconds: 240) == 99, "\(tool.errors)\(tool.output)")
            #expect(tool.survivors == [])
            let set = try file.read(RunSet.self)
            #expect(set.schema == "uring-bench.set" && set.complete && set.exitCode == 99)
            #expect(set.runs.map(\.candidate) == ["epoll", "threads", "threads", "epoll"])
            #expect(set.runs.map(\.round) == [1, 1, 2, 2])
            #expect(
                set.runs.map { $0.result.layout?.backend.rawValue } == set.runs.map(\.candidate))
            #expect(set.runs.allSatisfy { $0.result.steps.last?.verified == true })
            // Each run has tuples of its own.
            #expect(Set(set.runs.map(\.result.plan.seed)).count == 4)
            let comparison = try #require(set.comparisons.first)
            #expect(comparison.base == "epoll" && comparison.new == "threads")
            #expect(comparison.isInterleaved && set.comparisons.count == 1)
            let cell = try #require(comparison.cell(.p99, at: 500))
            #expect(cell.verdict == .cannotTell && cell.base.values.count == 2)
            #expect(cell.reason.hasPrefix("needs at least 4 runs on each side"))
            #expect(set.thresholds?.map(\.candidate) == ["epoll", "threads"])
            #expect(set.thresholds?.contains { $0.passed } == false)
            let output = tool.output
            for text in ["500 connections", "✗ epoll: p99>1us: echo p99 at 500", "(exit 99)\n"] {
                #expect(output.contains(text), "\(output)")
            }
            #expect(output.split(separator: "\n").allSatisfy { $0.count <= 100 }, "\(output)")
            #expect(tool.errors.contains("round 2 of 2: epoll"))
            #expect(tool.errors.contains("warming up with threads; this run does not count"))
        }

        @Test("a single run keeps its thresholds, or ends with 99")
        func thresholds() throws {
            let good = try ToolProcess(
                ["--backend", "epoll", "--fail-if", "p99>3600s", "--fail-if", "connect-rate<1"]
                    + Self.small)
            #expect(try good.end() == 0, "\(good.errors)\(good.output)")
            #expect(good.output.contains("✓ p99>3600s: echo p99 at 500 connections is "))
            let file = try ResultPath()
            let bad = try ToolProcess(
                ["--backend", "epoll", "--fail-if", "p99@500>1us", "--json", file.path]
                    + Self.small)
            #expect(try bad.end() == 99, "\(bad.errors)\(bad.output)")
            #expect(bad.output.hasSuffix("a threshold was missed (exit 99)\n"))
            let result = try file.read()
            #expect(result.complete && result.exitCode == 99)
            #expect(result.thresholds?.map(\.passed) == [false])
            #expect((result.thresholds?.first?.actual ?? 0) > 1_000)
        }

        @Test("Ctrl-C in the middle of a set leaves the runs that were made")
        func interrupted() throws {
            let file = try ResultPath()
            let tool = try ToolProcess(
                [
                    "--backend", "epoll,threads", "--repeats", "3", "--warmup-runs", "0", "--json",
                    file.path,
                ] + Self.small)
            try tool.says("round 1 of 3: threads")
            kill(tool.pid, SIGINT)
            #expect(try tool.end(seconds: 120) == 130, "\(tool.errors)")
            #expect(tool.survivors == [])
            let set = try file.read(RunSet.self)
            #expect(!set.complete && set.exitCode == 130 && set.stopped?.kind == .interrupted)
            #expect(set.runs.first?.candidate == "epoll" && set.runs.first?.result.complete == true)
            #expect(set.runs.count <= 2)
            #expect(tool.output.contains("INCOMPLETE 1 of 6 runs reached their end (exit 130)"))
        }

        @Test("a backend that cannot reach what the others can is refused before the start")
        func unreachable() throws {
            let tool = try ToolProcess([
                "--backend", "epoll,threads", "--conns", "400k", "--probe", "0",
            ])
            #expect(try tool.end() == 77)
            let errors = tool.errors
            #expect(errors.hasPrefix("uring-bench: threads cannot hold 400,000 connections: "))
            #expect(errors.contains("all backends must reach the same number: --conns "))
            #expect(errors.filter { $0 == "\n" }.count == 1 && tool.output == "")
        }
    }
}
