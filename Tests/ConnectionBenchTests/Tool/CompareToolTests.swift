// `uring-bench compare` through the real tool: like and unlike, forced, regressions, run again.

import ConnectionEngine
import FoundationEssentials
import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite struct Compare {
        /// Result files of one real run with figures changed by the test.
        private final class Results {
            let folder: FixtureDirectory
            let real: RunResult

            init() throws {
                let file = try ResultPath()
                let tool = try ToolProcess([
                    "--backend", "epoll", "--conns", "200", "--steps", "200", "--probe", "0.2",
                    "--rate", "1k", "--hold", "0", "--json", file.path,
                ])
                #expect(try tool.end() == 0, "\(tool.errors)")
                var result: RunResult = try file.read()
                // On a busy machine the real client is now and then the bottleneck, which is an
                // honest reason for "cannot tell"; these tests are of the verdicts.
                result.warnings = []
                real = result
                folder = try FixtureDirectory()
            }

            /// Writes one file for each factor, and returns their paths as a group.
            func write(
                _ name: String, _ factors: [Double], _ change: (inout RunResult, Double) -> Void
            ) throws -> String {
                var paths: [String] = []
                for (number, factor) in factors.enumerated() {
                    var result = real
                    change(&result, factor)
                    let encoder = JSONEncoder()
                    encoder.nonConformingFloatEncodingStrategy = .convertToString(
                        positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
                    let text = String(decoding: try encoder.encode(result), as: UTF8.self)
                    try folder.add("/\(name)\(number).json", text)
                    paths.append("\(folder.path)/\(name)\(number).json")
                }
                return paths.joined(separator: ",")
            }
        }

        private static let near = [1.0, 1.01, 0.99, 1.005, 0.995]

        private static func scaleTail(_ result: inout RunResult, _ factor: Double) {
            result.steps[0].probe?.latency.p99Nanoseconds = UInt64(5e6 * factor)
        }

        @Test("like results are compared, and a regression ends with 98 only when asked for")
        func regression() throws {
            let results = try Results()
            let base = try results.write("base", Self.near, Self.scaleTail)
            let new = try results.write("new", Self.near.map { $0 * 1.25 }, Self.scaleTail)

            let plain = try ToolProcess(["compare", base, new])
            #expect(try plain.end() == 0, "\(plain.errors)")
            let words = plain.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(
                words.contains(
                    "the echo p99 of new0.json and 4 more is 25 % longer than that of base0.json and"
                        + " 4 more ["), "\(plain.output)")
            #expect(words.contains("the smallest difference these runs could resolve"))

            let file = try ResultPath()
            let asked = try ToolProcess([
                "compare", base, new, "--fail-on", "p99>10%", "--no-confirm", "--json", file.path,
            ])
            #expect(try asked.end() == 98, "\(asked.errors)\(asked.output)")
            #expect(asked.output.contains("✗ p99>10%: echo p99 at 200 connections is 25 % higher"))
            let report = try file.read(ComparisonReport.self)
            #expect(report.schema == "uring-bench.comparison" && report.exitCode == 98)
            #expect(report.regressions.map(\.state) == [.regression])
            #expect(report.comparisons[0].cell(.p99, at: 200)?.verdict == .slower)

            let tolerant = try ToolProcess([
                "compare", base, new, "--fail-on", "p99>30%", "--markdown",
            ])
            #expect(try tolerant.end() == 0, "\(tolerant.errors)")
            #expect(tolerant.output.hasPrefix("### "))
            #expect(tolerant.output.contains("**slower** |"))
            #expect(tolerant.output.contains("- ✓ p99>30%:"))
        }

        @Test("unlike results are refused with what differs, unless they are forced")
        func unlike() throws {
            let results = try Results()
            let base = try results.write("base", [1]) { _, _ in }
            let new = try results.write("new", [1]) { result, _ in
                result.host.kernelRelease = "6.1.0"
                result.plan.requestsPerSecond = 5_000
            }
            let refused = try ToolProcess(["compare", base, new])
            #expect(try refused.end() == 64)
            let errors = refused.errors
            #expect(errors.hasPrefix("uring-bench: the results are of unlike environments"))
            for text in [
                "--force", "  kernel: ", " | 6.1.0", "plan: requestsPerSecond: 1,000 | 5,000",
            ] {
                #expect(errors.contains(text), "\(errors)")
            }
            #expect(refused.output == "")
            let forced = try ToolProcess(["compare", base, new, "--force"])
            #expect(try forced.end() == 0, "\(forced.errors)")
            #expect(forced.output.contains("the environments are unlike (kernel, plan: requests"))
        }

        @Test("a suspicion is looked at again with both commands, and falls")
        func notConfirmed() throws {
            let results = try Results()
            func scaleMemory(_ result: inout RunResult, _ factor: Double) {
                result.steps[0].userBytesPerConnection? *= factor
            }
            let base = try results.write("base", [1], scaleMemory)
            let new = try results.write("new", [3], scaleMemory)
            let before = try TextFile.read(base)
            let file = try ResultPath()
            let tool = try ToolProcess([
                "compare", base, new, "--fail-on", "user-bytes>50%", "--confirm", "4", "--json",
                file.path,
            ])
            #expect(try tool.end(seconds: 300) == 0, "\(tool.errors)\(tool.output)")
            #expect(tool.survivors == [])
            #expect(tool.errors.contains("look worse: running both commands again, in turns"))
            #expect(tool.output.contains("✓ user-bytes>50%: user bytes per connection"))
            let report = try file.read(ComparisonReport.self)
            #expect(report.regressions.map(\.state) == [.notConfirmed])
            let set = try #require(report.runs?.first)
            #expect(set.candidates == ["base", "new"] && set.runs.count == 8)
            #expect(set.runs.prefix(4).map(\.candidate) == ["base", "new", "new", "base"])
            #expect(set.runs.allSatisfy { $0.result.layout?.backend == .epoll })
            #expect(set.runs.allSatisfy { $0.result.plan.connections == 200 })
            #expect(try TextFile.read(base) == before, "the user's files are left alone")
        }

        @Test("an executable that has changed is not run again, and the report says so")
        func changedExecutable() throws {
            let results = try Results()
            let base = try results.write("base", Self.near, Self.scaleTail)
            let new = try results.write("new", Self.near) { result, factor in
                Self.scaleTail(&result, 2 * factor)
                result.tool.executable?.byteCount += 1
            }
            let tool = try ToolProcess(["compare", base, new, "--fail-on", "p99>10%"])
            #expect(try tool.end() == 98, "\(tool.errors)")
            let words = tool.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(
                words.contains("; not run again: \(ToolProcess.path) has changed since"), "\(words)"
            )
        }

        @Test("two executables take turns, and one run of each cannot tell")
        func executables() throws {
            let file = try ResultPath()
            let tool = try ToolProcess([
                "compare", "--run", ToolProcess.path, ToolProcess.path, "--repeats", "1", "--json",
                file.path, "--", "--backend", "epoll", "--conns", "100", "--steps", "100",
                "--probe", "0.2", "--rate", "500", "--hold", "0",
            ])
            #expect(try tool.end(seconds: 120) == 0, "\(tool.errors)\(tool.output)")
            #expect(tool.survivors == [])
            let report = try file.read(ComparisonReport.self)
            let comparison = try #require(report.comparisons.first)
            #expect(comparison.base == "base" && comparison.new == "new")
            #expect(!comparison.cells.isEmpty)
            #expect(comparison.cells.allSatisfy { $0.verdict == .cannotTell })
            #expect(report.runs?.first?.runs.count == 2)
            #expect(tool.output.contains("a verdict needs at least 4 on each side"))
        }

        @Test("Ctrl-C reaches the executable that is running, and ends the comparison")
        func interrupted() throws {
            let file = try ResultPath()
            let tool = try ToolProcess([
                "compare", "--run", ToolProcess.path, ToolProcess.path, "--json", file.path, "--",
                "--backend", "epoll", "--conns", "100", "--probe", "0", "--hold", "600",
            ])
            try tool.says("warming up with base")
            // The warm-up holds for ten minutes.
            try tool.wait("the run") { tool.survivors.count >= 4 }
            usleep(500_000)
            kill(tool.pid, SIGINT)
            #expect(try tool.end(seconds: 60) == 130, "\(tool.errors)\(tool.output)")
            #expect(tool.survivors == [])
            #expect(try file.read(ComparisonReport.self).exitCode == 130)
        }
    }
}
