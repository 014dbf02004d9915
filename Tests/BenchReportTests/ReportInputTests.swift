// Files: which are taken, and what is said of the others.

import FoundationEssentials
import Testing

@testable import BenchReport
@testable import ConnectionBench

@Suite("Files of a report")
struct ReportInputTests {
    private func bytes(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return [UInt8](try encoder.encode(value))
    }

    @Test("results, sets and port stories are told by their schema")
    func kinds() throws {
        let run = try ReportInput(
            path: "out/a.json", bytes: bytes(Made.run(.uring, steps: [1_000])))
        #expect(run.name == "a.json")
        guard case .run = run.content else {
            Issue.record("not a run")
            return
        }
        let set = try ReportInput(path: "s", bytes: bytes(Made.set(["uring", "epoll"], runs: 2)))
        guard case .set = set.content else {
            Issue.record("not a set")
            return
        }
    }

    @Test("numbers that JSON does not have are read back")
    func nonFinite() throws {
        var result = Made.run(.uring, steps: [1_000])
        result.steps[0].connectsPerSecond = .infinity
        result.steps[0].kernelBytesPerConnection = .nan
        result.samplerShare = -.infinity
        let input = try ReportInput(path: "a.json", bytes: bytes(result))
        guard case .run(let run) = input.content else {
            Issue.record("not a run")
            return
        }
        #expect(run.steps[0].connectsPerSecond == .infinity)
        #expect(run.steps[0].kernelBytesPerConnection?.isNaN == true)
        #expect(run.samplerShare == -.infinity)
    }

    @Test(
        "what is no result is refused in one line that says why",
        arguments: [
            ("", "it is empty"),
            ("hello", "it is not JSON, or was cut off"),
            ("{\"schema\": \"uring-bench.result\", \"st", "it is not JSON, or was cut off"),
            ("[1]", "its JSON is not an object with a \"schema\""),
            ("{}", "it is JSON without a \"schema\""),
            ("{\"schema\": 5}", "its JSON is not an object with a \"schema\""),
            ("{\"schema\": \"uring-bench.doctor\"}", "it is of the kind \"uring-bench.doctor\""),
        ])
    func refusals(text: String, reason: String) {
        let error = #expect(throws: ReportInputError.self) {
            try ReportInput(path: "x.json", bytes: [UInt8](text.utf8))
        }
        let line = error?.description ?? ""
        #expect(line.hasPrefix("x.json cannot be shown: \(reason)"))
        #expect(line.contains("--json of `uring-bench run`"))
        #expect(!line.contains("\n"))
    }

    @Test("a result that lacks something says what, and that versions may differ")
    func missingField() {
        let text = "{\"schema\": \"uring-bench.result\", \"schemaVersion\": \"9.0\"}"
        let error = #expect(throws: ReportInputError.self) {
            try ReportInput(path: "x.json", bytes: [UInt8](text.utf8))
        }
        let line = error?.description ?? ""
        #expect(line.contains("as uring-bench.result 9.0 it is not whole: "))
        #expect(line.contains(" is missing; another version of uring-bench may have written it"))
    }
}
