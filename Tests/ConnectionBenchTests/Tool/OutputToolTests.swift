// The files that a run of the real tool leaves, judged by those who read such files.

import ConnectionEngine
import FoundationEssentials
import Glibc
import Testing

@testable import ConnectionBench

/// A folder for a run's files, which it removes with all that is in it.
final class OutputFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/uring-bench-out-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template)).withMemoryRebound(to: CChar.self, capacity: 1) {
            String(cString: $0)
        }
    }

    deinit {
        for name in (try? names) ?? [] { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    var names: [String] { get throws { try TextFile.names(in: path).sorted() } }

    func read(_ name: String) throws -> String { try TextFile.read("\(path)/\(name)") }

    func result() throws -> RunResult {
        try JSONDecoder().decode(RunResult.self, from: Data(read("run.json").utf8))
    }

    static let extensions = ["csv", "hgrm", "hlog", "json", "md", "ndjson", "prom"]

    /// `-o` for a file of each kind.
    var options: [String] { Self.extensions.flatMap { ["-o", "\(path)/run.\($0)"] } }
}

extension ToolTests {
    @Suite(.enabled(if: Python.isReady && Python.hasPromtool, Python.missing)) struct Outputs {
        private static let short = [
            "--conns", "200", "--steps", "50", "--probe", "0.3", "--rate", "1k", "--hold", "0.1",
        ]

        @Test("a run's files are taken by their readers", arguments: BackendKind.tested)
        func readers(backend: BackendKind) throws {
            let folder = try OutputFolder()
            let tool = try ToolProcess(
                ["--backend", backend.rawValue] + Self.short + folder.options)
            #expect(try tool.end() == 0, "\(tool.errors)")
            // No trial file is left.
            #expect(try folder.names == OutputFolder.extensions.map { "run." + $0 })
            #expect(tool.output.contains("PASS 200"))

            #expect(try SchemaCheck.complaints(folder.read("run.json")) == "")
            let result = try folder.result()
            #expect(result.complete && result.steps.count == 2)
            try expectHistograms(of: result, folder)
            try expectPromtoolAgrees(folder)
            let lines = try folder.read("run.ndjson").split(separator: "\n")
            #expect(lines.first?.contains("\"event\":\"start\"") == true)
            #expect(lines.count { $0.contains("\"event\":\"step\"") } == 2)
            #expect(lines.last?.contains("\"event\":\"end\"") == true)
            #expect(try folder.read("run.csv").contains(",probe,200,echoP99Nanoseconds,"))
            #expect(try folder.read("run.md").hasPrefix("## PASS 200"))
            let count = try #require(result.steps.last?.probe?.latency.count)
            #expect(try folder.read("run.hgrm").contains("1.000000000000        \(count)\n"))
        }

        /// The percentiles that Python reads from the log are those of the JSON.
        private func expectHistograms(of result: RunResult, _ folder: OutputFolder) throws {
            let program = """
                import sys
                from hdrh.histogram import HdrHistogram
                from hdrh.log import HistogramLogReader
                reader = HistogramLogReader(sys.argv[1], HdrHistogram(256, 120000000000, 3))
                while True:
                    h = reader.get_next_interval_histogram()
                    if h is None: break
                    print(h.get_tag(), h.get_total_count(), h.get_max_value(),
                        *[h.get_value_at_percentile(p) for p in (50, 90, 99, 99.9)])
                """
            let read = try Python.output(program, [folder.path + "/run.hlog"])
            func line(_ tag: String, _ latency: LatencySummary) -> String {
                "\(tag) \(latency.count) \(latency.maxNanoseconds) \(latency.p50Nanoseconds)"
                    + " \(latency.p90Nanoseconds) \(latency.p99Nanoseconds)"
                    + " \(latency.p999Nanoseconds)\n"
            }
            let expected = result.steps.map {
                line("connect", $0.connectLatency)
                    + line("echo", $0.probe?.latency ?? LatencySummary())
            }
            #expect(read == expected.joined())
        }

        private func expectPromtoolAgrees(_ folder: OutputFolder) throws {
            let code = try Subprocess.run([
                "sh", "-c", "promtool check metrics <\"$0\"", folder.path + "/run.prom",
            ])
            #expect(code == 0)
        }

        @Test("an interrupted run leaves all its files, and its result fits the schema")
        func interrupted() throws {
            let folder = try OutputFolder()
            let tool = try ToolProcess(
                [
                    "--backend", "epoll", "--conns", "10k", "--connect-rate", "500", "--probe", "0",
                    "--hold", "0",
                ] + folder.options)
            try tool.says(" server and ")
            usleep(500_000)
            kill(tool.pid, SIGINT)
            #expect(try tool.end() == 130)
            #expect(try folder.names == OutputFolder.extensions.map { "run." + $0 })
            #expect(try SchemaCheck.complaints(folder.read("run.json")) == "")
            #expect(try folder.result().complete == false)
            #expect(try folder.read("run.prom").contains("uring_bench_run_exit_code 130\n"))
            #expect(try folder.read("run.ndjson").contains("\"kind\":\"interrupted\""))
        }

        @Test("a refused run leaves its files too, and its result fits the schema")
        func refused() throws {
            let folder = try OutputFolder()
            let tool = try ToolProcess(
                ["--backend", "threads", "--conns", "500000"] + folder.options)
            #expect(try tool.end() == 77)
            #expect(try folder.names == OutputFolder.extensions.map { "run." + $0 })
            #expect(try SchemaCheck.complaints(folder.read("run.json")) == "")
            #expect(try folder.read("run.prom").contains("uring_bench_run_exit_code 77\n"))
        }

        @Test("a climb that met a wall fits the schema")
        func wall() throws {
            let folder = try OutputFolder()
            let tool = try ToolProcess([
                "--backend", "epoll", "--conns", "2k", "--sources", "1", "--source-ports",
                "20000-20299", "--until-wall", "--steps", "100", "--probe", "0.1", "--hold", "0",
                "-o", "\(folder.path)/run.json",
            ])
            #expect(try tool.end() == 77, "\(tool.errors)")
            #expect(try SchemaCheck.complaints(folder.read("run.json")) == "")
            let result = try folder.result()
            #expect(result.verdict != nil && result.evidence != nil && result.prediction != nil)
        }

        @Test("a place that cannot be written is found before the run, and none is left behind")
        func unwritable() throws {
            let folder = try OutputFolder()
            let tool = try ToolProcess([
                "--conns", "50k", "--connect-rate", "100", "-o", "\(folder.path)/a.csv", "-o",
                "/nonexistent/b.hlog",
            ])
            #expect(try tool.end() == 74)
            #expect(tool.errors.hasPrefix("uring-bench: --output /nonexistent/b.hlog: "))
            #expect(try folder.names == [])
        }

        @Test("a reader that goes away does not end a file's run")
        func device() throws {
            let folder = try OutputFolder()
            let link = folder.path + "/x.csv"
            #expect(symlink("/dev/full", link) == 0)
            let tool = try ToolProcess(
                ["--backend", "epoll"] + Self.short + ["-o", link, "-o", "\(folder.path)/run.json"])
            // One file failed; the other one and the table are there.
            #expect(try tool.end() == 74)
            #expect(tool.errors.contains("--output /dev/full: No space left on device"))
            #expect(try folder.result().complete)
            #expect(tool.output.contains("PASS 200"))
        }

        @Test("the schemas that the tool prints are those of the tests")
        func schemas() throws {
            for kind in ResultSchema.allCases {
                let tool = try ToolProcess(["schema", kind.rawValue])
                #expect(try tool.end() == 0)
                #expect(tool.output == kind.text)
            }
        }
    }
}
