// Bounds as they are written, and what becomes of them.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct ThresholdTests {
    @Test(
        "a bound has a figure, a step, a relation, a value and its unit",
        arguments: [
            ("p99@100k>5ms", Metric.p99, 100_000, 5e6), ("p99.9 > 1.5s", .p999, nil, 1.5e9),
            ("connect-rate<20k", .connectRate, nil, 20_000),
            ("server-cpu>=12us", .serverCPU, nil, 12),
            ("kernelBytes@500k>9KiB", .kernelBytes, 500_000, 9_216),
            ("user-bytes>2MiB", .userBytes, nil, 2_097_152),
            ("echo-rate<=1M/s", .echoRate, nil, 1e6),
            ("connect-p50>800ns", .connectP50, nil, 800), ("close-rate<5", .closeRate, nil, 5),
        ] as [(String, Metric, Int?, Double)])
    func parsing(text: String, metric: Metric, step: Int?, bound: Double) throws {
        let threshold = try Threshold(parsing: text)
        #expect(threshold.metric == metric && threshold.step == step)
        #expect(abs(threshold.bound - bound) < 1e-9 * bound)
        #expect(threshold.expression == text)
    }

    @Test(
        "wrong bounds are said in one line with what is allowed",
        arguments: [
            ("p99", "no comparison"), ("p77>5ms", "known are connect-rate"),
            ("p99>5", "ns, us, ms or s"),
            ("p99>ms", "ns, us, ms or s"), ("p99>5%", "ns, us, ms or s"),
            ("p99@x>5ms", "'x' is not a count"),
            ("close-rate@1k<5", "leave the @ out"), ("connect-rate<5ms", "per second"),
            ("kernel-bytes>5ms", "bytes"), ("p99>-5ms", "ns, us, ms or s"), ("", "no comparison"),
            ("p99>1e3ms", "ns, us, ms or s"),
        ])
    func wrong(text: String, mentions: String) {
        let error = #expect(throws: ThresholdError.self) { try Threshold(parsing: text) }
        #expect(error?.description.contains(mentions) == true, "\(error?.description ?? "")")
    }

    @Test("every name in the list of known figures is one, and every figure is in it")
    func names() {
        let metrics = Metric.names.split(separator: ",").map {
            Metric(named: $0.drop { $0 == " " }.description)
        }
        #expect(Set(metrics) == Set(Metric.allCases))
        for metric in Metric.allCases { #expect(Metric(named: metric.rawValue) == metric) }
    }

    @Test("a run that holds its bounds passes, one that does not ends with 99")
    func judging() throws {
        var run = MadeUpRuns.run(p99: 6e6)
        run.judge([try Threshold(parsing: "p99>7ms")])
        #expect(run.exitCode == 0 && run.thresholds?.map(\.passed) == [true])
        run.judge([try Threshold(parsing: "p99>7ms"), try Threshold(parsing: "p99@1k>5ms")])
        #expect(run.exitCode == 99)
        let missed = try #require(run.thresholds?.last)
        #expect(!missed.passed && missed.actual == 6e6)
        #expect(missed.line == "✗ p99@1k>5ms: echo p99 at 1,000 connections is 6.0 ms")
    }

    @Test("a figure that was not measured is a miss with its reason")
    func unmeasured() throws {
        var run = MadeUpRuns.run()
        run.judge([try Threshold(parsing: "p99@5k>5ms"), try Threshold(parsing: "user-bytes>5")])
        #expect(run.exitCode == 99)
        #expect(
            run.thresholds?.map(\.line) == [
                "✗ p99@5k>5ms: echo p99 was not measured at 5,000 connections",
                "✗ user-bytes>5: user bytes per connection was not measured",
            ])
        #expect(run.thresholds?.first?.actual == nil)
    }

    @Test("a wall stays the exit code, whatever a bound says")
    func wall() throws {
        var run = MadeUpRuns.run(p99: 6e6)
        run.exitCode = 77
        run.judge([try Threshold(parsing: "p99>5ms")])
        #expect(run.exitCode == 77 && run.thresholds?.first?.passed == false)
    }

    @Test("of several runs the median counts, for each candidate")
    func medians() throws {
        var set = MadeUpRuns.set(
            [
                ("uring", [1e6, 2e6, 9e6].map { MadeUpRuns.run(p99: $0) }),
                ("epoll", [6e6, 7e6, 1e6].map { MadeUpRuns.run(p99: $0) }),
            ], rounds: 3)
        set.judge(rule: VerdictRule(), thresholds: [try Threshold(parsing: "p99>5ms")])
        #expect(set.thresholds?.map(\.actual) == [2e6, 6e6])
        #expect(set.thresholds?.map(\.passed) == [true, false])
        #expect(set.thresholds?.last?.line.hasPrefix("✗ epoll: p99>5ms: echo p99 at") == true)
    }

    @Test(
        "a relative bound is a part of the base",
        arguments: [
            ("p99>10%", Metric.p99, nil, 0.1), ("server-cpu@10k>2.5%", .serverCPU, 10_000, 0.025),
        ]
            as [(String, Metric, Int?, Double)])
    func relative(text: String, metric: Metric, step: Int?, bound: Double) throws {
        let threshold = try RelativeThreshold(parsing: text)
        #expect(threshold.metric == metric && threshold.step == step)
        #expect(abs(threshold.bound - bound) < 1e-12)
    }

    @Test(
        "a relative bound in another form is refused",
        arguments: ["p99>5ms", "p99<10%", "p99>=10%", "p99>%", "p99", "p99>99999%"])
    func relativeWrong(text: String) {
        #expect(throws: ThresholdError.self) { try RelativeThreshold(parsing: text) }
    }

    // MARK: Regressions

    private func comparison(_ base: [Double], _ new: [Double]) -> Comparison {
        Comparison(
            base: RunGroup(name: "old", results: base.map { MadeUpRuns.run(serverCPU: $0) }),
            new: RunGroup(name: "now", results: new.map { MadeUpRuns.run(serverCPU: $0) }),
            isInterleaved: false, resamples: 1_000)
    }

    private func check(_ text: String...) throws -> RegressionCheck {
        RegressionCheck(try text.map { try RelativeThreshold(parsing: $0) })
    }

    private static let quiet = [10.0, 10.1, 9.9, 10.2, 9.8, 10.05, 9.95, 10.15]
    private static let slow = quiet.map { $0 * 1.25 }

    @Test("a change beyond the bound that the runs show is a regression")
    func regression() throws {
        let outcomes = try check("server-cpu>10%").outcomes(
            comparison(Self.quiet, Self.slow), again: nil, obstacle: "it has changed")
        #expect(outcomes.map(\.state) == [.regression])
        #expect(outcomes[0].line.hasPrefix("✗ server-cpu>10%: server CPU per echo at 1,000"))
        #expect(outcomes[0].line.hasSuffix("; not run again: it has changed"))
    }

    @Test("a change within the bound passes, and so does one to the better")
    func passing() throws {
        let check = try check("server-cpu>30%")
        let worse = check.outcomes(comparison(Self.quiet, Self.slow), again: nil, obstacle: nil)
        #expect(worse.map(\.state) == [.passed])
        let better = try self.check("server-cpu>1%").outcomes(
            comparison(Self.slow, Self.quiet), again: nil, obstacle: nil)
        #expect(better.map(\.state) == [.passed])
        #expect(check.suspected(in: comparison(Self.quiet, Self.slow)).isEmpty)
    }

    @Test("fewer connects by more than the bound are worse")
    func largerIsBetter() throws {
        let fast = Self.quiet.map { MadeUpRuns.run(rate: 1_000 * $0) }
        let slow = Self.quiet.map { MadeUpRuns.run(rate: 850 * $0) }
        let both = Comparison(
            base: RunGroup(name: "old", results: fast), new: RunGroup(name: "now", results: slow),
            isInterleaved: false, resamples: 1_000)
        #expect(
            try check("connect-rate>10%").outcomes(both, again: nil, obstacle: nil).map(\.state)
                == [.regression])
        #expect(
            try check("connect-rate>20%").outcomes(both, again: nil, obstacle: nil).map(\.state)
                == [.passed])
    }

    @Test("single runs raise a suspicion, which only runs in turns confirm")
    func confirmation() throws {
        let check = try check("server-cpu>10%")
        let single = comparison([10], [12.5])
        #expect(
            check.suspected(in: single)
                == [RegressionCheck.Figure(metric: .serverCPU, connections: 1_000)])
        let unknown = check.outcomes(single, again: nil, obstacle: "--no-confirm")
        #expect(unknown.map(\.state) == [.passed])
        #expect(unknown[0].text.contains("do not show it (needs at least 4 runs"))
        let same = check.outcomes(
            single, again: comparison(Self.quiet, Self.quiet), obstacle: nil)
        #expect(same.map(\.state) == [.notConfirmed])
        let slow = check.outcomes(single, again: comparison(Self.quiet, Self.slow), obstacle: nil)
        #expect(slow.map(\.state) == [.confirmed])
        #expect(slow[0].line.contains("; confirmed by 8 runs of each in turns: server CPU"))
    }

    @Test("a bound on a figure that was not measured is not passed")
    func regressionUnmeasured() throws {
        let outcomes = try check("user-bytes>10%", "p99@7k>1%").outcomes(
            comparison(Self.quiet, Self.quiet), again: nil, obstacle: nil)
        #expect(outcomes.map(\.state) == [.notMeasured, .notMeasured])
        #expect(outcomes.allSatisfy { $0.isRegression })
        #expect(outcomes[1].text == "echo p99 at 7,000 connections was not measured on both sides")
    }
}
