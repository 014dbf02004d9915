// When two groups of runs are called different, alike, or not told apart.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct VerdictTests {
    /// Eight values around `middle` that differ by up to 3 %.
    private static func values(_ middle: Double, count: Int = 8) -> [Double] {
        (0..<count).map { number -> Double in
            let percent = Double(number * 5 % 7 - 3)
            return middle * (1 + percent / 100)
        }
    }

    private func compare(
        _ base: [RunResult], _ new: [RunResult], unlike: [UnlikeFact] = []
    ) -> Comparison {
        Comparison(
            base: RunGroup(name: "old", results: base), new: RunGroup(name: "now", results: new),
            isInterleaved: false, unlike: unlike, resamples: 1_000)
    }

    private func runs(cpu: Double, count: Int = 8) -> [RunResult] {
        Self.values(cpu, count: count).map { MadeUpRuns.run(serverCPU: $0) }
    }

    @Test("more processor time is slower, less is faster, and nothing else has changed")
    func directions() throws {
        let slower = compare(runs(cpu: 10), runs(cpu: 12.5))
        let cell = try #require(slower.cell(.serverCPU, at: 1_000))
        #expect(cell.verdict == .slower, "\(cell.reason)")
        #expect(cell.reason.hasPrefix("25 % higher ["))
        #expect(
            compare(runs(cpu: 12.5), runs(cpu: 10)).cell(.serverCPU, at: 1_000)?.verdict == .faster)
        let told = slower.cells.filter { $0.verdict != .noDifference }
        #expect(told.map(\.metric) == [.serverCPU])
    }

    @Test("five runs on a side are enough to call twice the processor time more")
    func fiveRuns() throws {
        var generator = RandomWords(seed: 5)
        /// All other figures differ from run to run, and not from side to side.
        func noisy(_ cpu: Double) -> RunResult {
            func part() -> Double { 1 + Double(generator.position(below: 1_000)) / 4_000 }
            var run = MadeUpRuns.run(
                serverCPU: cpu * part(), p99: 1e6 * part(), rate: 40_000 * part(),
                kernelBytes: 8_000 * part())
            run.steps[0].userBytesPerConnection = 300 * part()
            run.steps[0].probe?.processor.clientSeconds = 0.2 * part()
            run.steps[0].rampProcessor.serverSeconds = 0.01 * part()
            run.steps[0].probe?.latency.p50Nanoseconds = UInt64(2e5 * part())
            return run
        }
        let base = (0..<5).map { _ in noisy(10) }
        let comparison = compare(base, (0..<5).map { _ in noisy(20) })
        let cell = try #require(comparison.cell(.serverCPU, at: 1_000))
        #expect(cell.verdict == .slower, "\(cell.reason)")
        #expect(comparison.figuresTested >= 8)
    }

    @Test("more connects per second is faster")
    func largerIsBetter() {
        let slow = Self.values(20_000).map { MadeUpRuns.run(rate: $0) }
        let fast = Self.values(40_000).map { MadeUpRuns.run(rate: $0) }
        #expect(compare(slow, fast).cell(.connectRate, at: 1_000)?.verdict == .faster)
        #expect(compare(fast, slow).cell(.connectRate, at: 1_000)?.verdict == .slower)
    }

    @Test("three runs on a side cannot tell, whatever they are")
    func tooFew() throws {
        let comparison = compare(runs(cpu: 10), runs(cpu: 99, count: 3))
        let cell = try #require(comparison.cell(.serverCPU, at: 1_000))
        #expect(cell.verdict == .cannotTell && cell.pValue == nil)
        #expect(cell.reason == "needs at least 4 runs on each side, there are 8 and 3")
        #expect(comparison.resolution.hasPrefix("3 runs on a side resolve nothing"))
        let single = compare([MadeUpRuns.run()], [MadeUpRuns.run()])
        #expect(single.cells.allSatisfy { $0.verdict == .cannotTell })
        #expect(single.resolution.hasPrefix("1 run(s) on a side resolve nothing"))
    }

    @Test("a sure difference within the dead band is no difference")
    func deadBand() throws {
        // Every new run is higher, by 1 %: significant, and of no interest.
        let base = (0..<8).map { MadeUpRuns.run(serverCPU: 10 + 0.001 * Double($0)) }
        let new = (0..<8).map { MadeUpRuns.run(serverCPU: 10.1 + 0.001 * Double($0)) }
        let cell = try #require(compare(base, new).cell(.serverCPU, at: 1_000))
        #expect((cell.adjustedPValue ?? 1) < 0.05)
        #expect(cell.verdict == .noDifference, "\(cell.reason)")
    }

    @Test("noise that hides a change of 5 % is no proof that there is none")
    func noise() throws {
        let wild = [7.0, 13, 9, 11, 8, 12, 10, 14]
        let base = wild.map { MadeUpRuns.run(serverCPU: $0) }
        let new = wild.reversed().map { MadeUpRuns.run(serverCPU: $0 * 1.02) }
        let comparison = compare(base, new)
        let cell = try #require(comparison.cell(.serverCPU, at: 1_000))
        #expect(cell.verdict == .cannotTell)
        #expect(cell.reason.contains("the change may be anything within"))
        #expect(cell.reason.contains("these runs resolve"))
        #expect((cell.smallestResolvable ?? 0) > 0.2 && (cell.runsForFivePercent ?? 0) > 50)
        #expect(comparison.resolution.contains("server CPU per echo"))
        #expect(comparison.resolution.contains("5 % would need"))
    }

    @Test("a noisy host is named where the runs cannot tell")
    func disturbed() throws {
        let wild = [7.0, 13, 9, 11, 8, 12, 10, 14]
        var base = wild.map { MadeUpRuns.run(serverCPU: $0) }
        base[0].warnings = [RunWarning(id: "steal", message: "")]
        base[1].warnings = [RunWarning(id: "not-settled", message: "")]
        let comparison = compare(base, wild.map { MadeUpRuns.run(serverCPU: $0) })
        let reason = try #require(comparison.cell(.serverCPU, at: 1_000)?.reason)
        #expect(
            reason.hasSuffix(
                "noisy host: the hypervisor took time away in 1 of 16 runs, other programs were busy"
                    + " in 1 of 16 runs"), "\(reason)")
        #expect(comparison.reservations.count == 2)
    }

    @Test("a client that was the bottleneck measures itself, but not the server's processor time")
    func clientBound() throws {
        func saturated(_ run: RunResult) -> RunResult {
            var run = run
            run.warnings = [RunWarning(id: "client-saturated", message: "")]
            return run
        }
        let base = Self.values(1e6).map { saturated(MadeUpRuns.run(p99: $0)) }
        let new = Self.values(2e6).map { MadeUpRuns.run(serverCPU: 20, p99: $0) }
        let comparison = compare(base, new)
        let cell = try #require(comparison.cell(.p99, at: 1_000))
        #expect(cell.verdict == .cannotTell)
        #expect(cell.reason.hasPrefix("client-bound: in 8 of 16 runs"))
        #expect(comparison.cell(.serverCPU, at: 1_000)?.verdict == .slower)
        #expect(compare(new, new).cell(.p99, at: 1_000)?.verdict == .noDifference)
    }

    @Test("unlike loads give a ratio and no verdict, an unlike kernel gives both")
    func unlike() throws {
        let (base, new) = (runs(cpu: 10), runs(cpu: 20))
        let load = UnlikeFact(name: "plan: rate", base: "1", new: "2", isLoad: true)
        let cell = try #require(compare(base, new, unlike: [load]).cell(.serverCPU, at: 1_000))
        #expect(cell.verdict == .cannotTell && cell.ratio != nil)
        #expect(cell.reason == "the loads are unlike: plan: rate is 1 and 2")
        let kernel = UnlikeFact(name: "kernel", base: "6.1", new: "6.18")
        let forced = compare(base, new, unlike: [kernel])
        #expect(forced.cell(.serverCPU, at: 1_000)?.verdict == .slower)
        #expect(forced.reservations.first?.contains("compared by --force") == true)
    }

    @Test("figures that only one side has, or at other steps, are left out")
    func common() {
        var base = runs(cpu: 10)
        for index in base.indices { base[index].steps[0].probe = nil }
        let cells = compare(base, runs(cpu: 10)).cells
        #expect(Set(cells.map(\.metric)) == [.connectRate, .kernelBytes])
        let other = (0..<8).map { _ in MadeUpRuns.run(connections: 500) }
        #expect(compare(runs(cpu: 10), other).cells.isEmpty)
    }

    @Test("the p99 of each run is a sample, and steps that were not verified are none")
    func samples() throws {
        var base = [1e6, 2e6, 9e6, 3e6].map { MadeUpRuns.run(p99: $0) }
        base[2].steps[0].verified = false
        let cell = try #require(compare(base, base).cell(.p99, at: 1_000))
        #expect(cell.base.values == [1e6, 2e6, 3e6] && cell.base.median == 2e6)
    }

    @Test("values that are the same in every run are no difference, without a test")
    func constant() throws {
        let cell = try #require(compare(runs(cpu: 10), runs(cpu: 10)).cell(.kernelBytes, at: 1_000))
        #expect(cell.pValue == nil && cell.verdict == .noDifference)
        #expect(cell.ratio == RatioEstimate(value: 1, low: 1, high: 1))
    }

    @Test(
        "changes read as people say them",
        arguments: [
            (1.12, "12 % higher"), (0.966, "3.4 % lower"), (1.0, "the same"),
            (2.5, "150 % higher"), (3.04, "3.0 times as high"), (0.5, "50 % lower"),
        ])
    func words(ratio: Double, text: String) {
        #expect(ChangeText.words(ratio) == text)
    }

    @Test("p-values have three digits, or say that they are small")
    func pValues() {
        #expect(ChangeText.pValue(0.0312) == "0.031")
        #expect(ChangeText.pValue(0.0001) == "< 0.001")
        #expect(ChangeText.pValue(1) == "1.000")
    }
}
