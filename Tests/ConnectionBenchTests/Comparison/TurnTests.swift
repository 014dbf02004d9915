// Runs in turns: their order, what ends them, and the wait for a calm machine.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct TurnTests {
    @Test("every second round goes backwards")
    func order() {
        let turns = TurnOrder(candidates: 3, rounds: 3).turns
        #expect(turns.map(\.candidate) == [0, 1, 2, 2, 1, 0, 0, 1, 2])
        #expect(turns.map(\.round) == [1, 1, 1, 2, 2, 2, 3, 3, 3])
    }

    private static func reading(
        busy: Double = 0, sockets: Int = 10, kernel: Int = 1 << 30
    ) -> Settling.Reading {
        Settling.Reading(busyShare: busy, sockets: sockets, kernelBytes: kernel)
    }

    @Test("a machine is calm when others rest, and sockets and memory no longer fall")
    func settling() {
        let calm = Self.reading()
        func complaint(_ now: Settling.Reading, _ before: Settling.Reading?) -> String? {
            Settling.complaint(now, before: before, socketsBefore: 10)
        }
        #expect(complaint(calm, calm) == nil)
        #expect(complaint(calm, nil) != nil)
        #expect(
            complaint(Self.reading(busy: 0.34), calm) == "other programs use 34 % of the processors"
        )
        #expect(
            complaint(Self.reading(sockets: 500), Self.reading(sockets: 900))
                == "490 TCP sockets are not yet freed")
        // They stay: another program's.
        #expect(complaint(Self.reading(sockets: 500), Self.reading(sockets: 500)) == nil)
        #expect(
            complaint(Self.reading(kernel: 1 << 29), calm)
                == "kernel memory is still being given back")
    }

    @Test("1 is the worst exit code, then the highest")
    func exitCodes() {
        #expect(TurnRun.worse(77, 1) == 1 && TurnRun.worse(1, 77) == 1)
        #expect(TurnRun.worse(0, 77) == 77 && TurnRun.worse(69, 77) == 77)
    }

    /// Runs of made-up candidates on the real machine's clock.
    private func perform(_ candidates: [TurnCandidate], rounds: Int) throws -> RunSet {
        try TurnRun(
            candidates, rounds: rounds, warmupRuns: 1, thresholds: [], rule: VerdictRule(),
            tool: MadeUpRuns.tool, commandLine: [], progress: RunProgress(isQuiet: true)
        ).perform()
    }

    @Test("a candidate that fails twice in a row is given up, and the other goes on")
    func failing() throws {
        struct Broken: Error {}
        var numbers: [Int] = []
        let good = TurnCandidate(name: "good") { number, _ in
            numbers.append(number)
            return MadeUpRuns.run()
        }
        var failures = 0
        let bad = TurnCandidate(name: "bad") { number, _ in
            if number > 0 { failures += 1 }
            throw Broken()
        }
        let set = try perform([good, bad], rounds: 3)
        #expect(numbers == [0, 1, 2, 3] && failures == 2)
        #expect(set.runs.map(\.candidate) == ["good", "good", "good"])
        #expect(set.runs.map(\.round) == [1, 2, 3])
        #expect(set.exitCode == 1 && !set.complete)
        #expect(set.warnings.map(\.id) == ["run-failed", "run-failed"])
        #expect(set.warnings.last?.message.hasSuffix("; it is given up") == true)
        #expect(set.comparisons.count == 1 && set.comparisons[0].cells.isEmpty)
    }

    @Test("an interrupted run ends the set, which keeps what there is")
    func interrupted() throws {
        let candidate = TurnCandidate(name: "one") { number, _ in
            var run = MadeUpRuns.run()
            if number == 2 {
                run.complete = false
                run.exitCode = 130
                run.stopped = StopReason(
                    kind: .interrupted, message: "interrupted by SIGINT (Ctrl-C)", exitCode: 130)
            }
            return run
        }
        let set = try perform([candidate], rounds: 4)
        #expect(set.runs.count == 2 && set.exitCode == 130 && !set.complete)
        #expect(set.stopped?.kind == .interrupted)
    }

    @Test("a complete set compares each backend with each before it")
    func comparisons() throws {
        let set = try perform(
            ["a", "b", "c"].map { name in
                TurnCandidate(name: name) { _, _ in MadeUpRuns.run() }
            }, rounds: 1)
        #expect(set.complete && set.exitCode == 0)
        #expect(set.comparisons.map { "\($0.base)\($0.new)" } == ["ab", "ac", "bc"])
    }

    // MARK: The table

    private static let madeUpSet: RunSet = {
        let spread = [1.0, 1.02, 0.98, 1.01, 0.99]
        func runs(_ factor: Double) -> [RunResult] {
            spread.map { part in
                var run = MadeUpRuns.run(
                    connections: 10_000, serverCPU: 10 * factor * part, p99: 1e6 * part,
                    rate: 40_000 / factor * part, kernelBytes: 8_000 * factor)
                var first = run.steps[0]
                run.plan.steps = [1_000, 2_000, 5_000, 10_000]
                run.steps = run.plan.steps.map {
                    first.connections = $0
                    return first
                }
                return run
            }
        }
        var set = MadeUpRuns.set(
            [("uring", runs(1)), ("epoll", runs(1.12)), ("threads", runs(2))], rounds: 5)
        set.judge(rule: VerdictRule(), thresholds: [])
        set.complete = true
        set.exitCode = 0
        return set
    }()

    @Test("the table of three backends fits a screen of 100 columns and 40 lines")
    func table() {
        let text = SetTable(Self.madeUpSet).text
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.allSatisfy { $0.count <= 100 }, "\(text)")
        #expect(lines.count <= 40, "\(text)")
        #expect(lines.last == "PASS 15 runs of 10,000 connections held and verified")
    }

    @Test("the table says in plain words who needs more of what")
    func sentences() throws {
        let table = SetTable(Self.madeUpSet).text
        let text = table.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        #expect(text.contains("epoll needs 12 % more server CPU per echo than uring ["), "\(text)")
        #expect(text.contains("threads makes 50 % fewer connects/s than uring ["))
        #expect(text.contains("no difference in echo p50, echo p99"))
        #expect(text.contains("the smallest difference these runs could resolve:"))
        let row = try #require(
            table.split(separator: "\n").last { $0.hasPrefix("server CPU/echo") })
        for word in ["10.0 µs ±", "x1.12", "x2.00", "more"] {
            #expect(row.contains(word), "\(row)")
        }
    }

    @Test("a comparison in Markdown is one table with every figure")
    func markdown() throws {
        let comparison = try #require(Self.madeUpSet.comparisons.first)
        let lines = ComparisonTable(comparison).markdown.split(separator: "\n")
        #expect(lines[0] == "### epoll against uring")
        let rows = lines.filter { $0.hasPrefix("|") }
        #expect(rows.count == comparison.cells.count + 2)
        #expect(Set(rows.map { $0.count { $0 == "|" } }) == [9])
        #expect(rows.contains { $0.contains("server CPU per echo") && $0.hasSuffix("**more** |") })
    }
}
