// A result in the forms that other programs read.

import FoundationEssentials
import Testing

@testable import ConnectionBench

@Suite struct ResultTextTests {
    @Test("the long table has a heading, and five columns with a number in each row")
    func table() throws {
        let rows = ResultText.csv(MadeUpResult.complete).split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false)
        }
        #expect(rows[0].joined(separator: ",") == "seconds,phase,connections,metric,value")
        let phases = Set(RunPhase.allCases.map(\.rawValue) + ["sample"])
        for row in rows.dropFirst() {
            try #require(row.count == 5, "\(row)")
            #expect(row[0].isEmpty || Double(row[0]) != nil)
            #expect(phases.contains(String(row[1])))
            #expect(Int(row[2]) != nil && !row[3].isEmpty && Double(row[4]) != nil, "\(row)")
        }
        func row(_ metric: String) -> [String]? {
            rows.first { $0[3] == metric }?.map(String.init)
        }
        #expect(row("connectsPerSecond") == ["0.750", "ramp", "1000", "connectsPerSecond", "4000"])
        #expect(
            row("kernelBytesPerConnection")
                == ["0.750", "ramp", "1000", "kernelBytesPerConnection", "8101.5"])
        #expect(
            row("serverMicrosecondsPerEcho")
                == ["3.000", "probe", "1000", "serverMicrosecondsPerEcho", "12.5"])
        let p99 = MadeUpResult.probe.latency.p99Nanoseconds
        #expect(
            row("echoP99Nanoseconds") == ["3.000", "probe", "1000", "echoP99Nanoseconds", "\(p99)"])
        // What was not measured, or means nothing, has no row.
        #expect(row("kernelCount") == nil)
        var odd = MadeUpResult.complete
        odd.steps[0].connectsPerSecond = .nan
        #expect(!ResultText.csv(odd).contains("connectsPerSecond"))
    }

    @Test("each line is one JSON object with its event, from the start to the end")
    func lines() throws {
        struct Line: Decodable {
            var event: String
            var seconds: Double?
            var connections: Int?
            var complete: Bool?
            var id: String?
        }
        var result = MadeUpResult.complete
        result.samples = [0.2, 3.5].map { Self.sample($0) }
        let text = try ResultText.ndjson(result)
        #expect(text.hasSuffix("}\n"))
        let lines = try text.split(separator: "\n").map {
            try JSONDecoder().decode(Line.self, from: Data($0.utf8))
        }
        #expect(lines.map(\.event) == ["start", "sample", "step", "sample", "warning", "end"])
        #expect(lines.map(\.seconds) == [0, 0.2, 3, 3.5, nil, 5])
        #expect(lines[4].id == "steal")
        #expect(lines[5].complete == true && lines[5].connections == 1_000)
    }

    private static func sample(_ seconds: Double) -> HostSample {
        HostSample(
            seconds: seconds, connections: 3, level: "green", memoryUsableBytes: 1,
            memoryFreeBytes: 2, delaySeconds: 0, server: [:], client: [:])
    }

    @Test("Markdown has the verdict, the table and the notes, and no character that breaks it")
    func markdown() {
        let text = ResultText.markdown(MadeUpResult.complete)
        #expect(text.hasPrefix("## PASS 1,000 connections held and verified"))
        let table = text.split(separator: "\n").filter { $0.hasPrefix("|") }
        #expect(table.count == 3)
        #expect(Set(table.map { $0.count { $0 == "|" } }).count == 1)
        #expect(table[2].hasPrefix("| 1,000 | 4,000 |"))
        #expect(text.contains("- warning \\[steal\\] a \\| b"))
    }

    @Test("a result with nothing in it is still a text of each form")
    func empty() throws {
        let result = RunResult(
            tool: MadeUpResult.tool, commandLine: [], startedAt: "2026-11-26T12:46:00Z",
            host: HostFacts(), plan: MadeUpResult.plan)
        #expect(ResultText.csv(result) == "seconds,phase,connections,metric,value\n")
        #expect(try ResultText.ndjson(result).split(separator: "\n").count == 2)
        #expect(ResultText.histogramLog(result).split(separator: "\n").count == 4)
        #expect(try ResultText.percentiles(result).contains("TotalCount"))
        #expect(ResultText.prometheus(result).contains("uring_bench_run_complete 0\n"))
        #expect(ResultText.markdown(result).contains("INCOMPLETE"))
    }
}
