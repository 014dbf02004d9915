// How often the rules are wrong: thousands of made-up figures with the noise of a shared machine.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

/// Log-normal noise from run to run, and a slow change over the whole comparison that all figures
/// have in part. Together the runs of one executable spread by about 30 %.
private struct NoisyMachine {
    static let noise = 0.08
    static let drift = 0.08
    private var generator: RandomWords

    init(seed: UInt64) {
        generator = RandomWords(seed: seed)
    }

    private mutating func uniform() -> Double {
        (Double(generator.next() >> 11) + 0.5) / 9_007_199_254_740_992
    }

    private mutating func normal() -> Double {
        (-2 * log(uniform())).squareRoot() * cos(2 * Double.pi * uniform())
    }

    /// Two executables in turns; `slowdown` multiplies the processor time of the second.
    ///
    /// - Parameter metrics: that are looked at, and corrected for.
    mutating func compare(
        rounds: Int, slowdown: Double, _ metrics: Set<Metric> = Set(Metric.allCases)
    ) -> Comparison {
        let turns = TurnOrder(candidates: 2, rounds: rounds).turns
        let waves = (0..<6).map { _ in (uniform(), 0.5 + 1.5 * uniform()) }
        var sides: [[(round: Int, result: RunResult)]] = [[], []]
        for (position, turn) in turns.enumerated() {
            let time = Double(position) / Double(turns.count)
            func figure(_ index: Int) -> Double {
                let (phase, frequency) = waves[index]
                return exp(
                    Self.drift * sin(2 * Double.pi * (phase + frequency * time))
                        + Self.noise * normal())
            }
            var run = MadeUpRuns.run(
                serverCPU: 10 * figure(0) * (turn.candidate == 1 ? slowdown : 1),
                p99: 1e6 * figure(1), rate: 40_000 * figure(2), kernelBytes: 8_000 * figure(3))
            run.steps[0].probe?.latency.p50Nanoseconds = UInt64(2e5 * figure(4))
            run.steps[0].probe?.latency.p999Nanoseconds = UInt64(3e6 * figure(5))
            run.steps[0].rampProcessor.serverSeconds = 0.01 * figure(4)
            run.steps[0].connectLatency.p50Nanoseconds = UInt64(1e5 * figure(1))
            run.steps[0].connectLatency.p99Nanoseconds = UInt64(1e6 * figure(2))
            run.steps[0].userBytesPerConnection = 300 * figure(3)
            run.steps[0].probe?.processor.clientSeconds = 0.2 * figure(0)
            sides[turn.candidate].append((turn.round, run))
        }
        let set = MadeUpRuns.set(
            [("base", sides[0].map(\.result)), ("new", sides[1].map(\.result))], rounds: rounds)
        return Comparison(
            base: RunGroup(set, candidate: "base"), new: RunGroup(set, candidate: "new"),
            isInterleaved: true, resamples: 300
        ) { metric, _ in metrics.contains(metric) }
    }

    /// Largest through smallest run of one side, less 1.
    static func spread(_ cell: ComparedCell) -> Double {
        (cell.base.values.max() ?? 1) / (cell.base.values.min() ?? 1) - 1
    }
}

@Suite struct ErrorRateTests {
    private static let comparisons = 60
    /// As many as `compare --run` makes.
    private static let rounds = 12

    @Test("the same executable against itself is called different in at most 1 of 10 comparisons")
    func falseVerdicts() {
        var machine = NoisyMachine(seed: 11)
        var wrong = 0
        var figures = 0
        for _ in 0..<Self.comparisons {
            let comparison = machine.compare(rounds: Self.rounds, slowdown: 1)
            figures = comparison.figuresTested
            if comparison.cells.contains(where: { [.faster, .slower].contains($0.verdict) }) {
                wrong += 1
            }
        }
        print("A/A: \(wrong) of \(Self.comparisons) comparisons of \(figures) figures were wrong")
        #expect(figures >= 11)
        #expect(10 * wrong <= Self.comparisons)
    }

    @Test("25 % more processor time per echo is found in 9 of 10, though runs spread by 30 %")
    func slowdown() throws {
        var machine = NoisyMachine(seed: 12)
        var found = 0
        var other = 0
        var spreads: [Double] = []
        for _ in 0..<Self.comparisons {
            let comparison = machine.compare(rounds: Self.rounds, slowdown: 1.25)
            let cell = try #require(comparison.cell(.serverCPU, at: 1_000))
            spreads.append(NoisyMachine.spread(cell))
            if cell.verdict == .slower { found += 1 }
            #expect(cell.verdict != .faster && cell.verdict != .noDifference)
            if comparison.cells.contains(where: {
                $0.metric != .serverCPU && [.faster, .slower].contains($0.verdict)
            }) {
                other += 1
            }
        }
        let spread = try #require(OrderStatistics.median(spreads))
        print(
            "A/B: found in \(found) of \(Self.comparisons), another figure wrong in \(other);"
                + " spread of single runs \(ChangeText.percent(spread))")
        #expect(spread > 0.25)
        #expect(10 * found >= 9 * Self.comparisons)
        #expect(10 * other <= Self.comparisons)
    }

    @Test("a confirmation, of the suspected figure alone, finds 25 % with 8 rounds")
    func confirmation() throws {
        var machine = NoisyMachine(seed: 13)
        var (found, wrong) = (0, 0)
        for _ in 0..<Self.comparisons {
            func verdict(_ slowdown: Double) -> ComparisonVerdict? {
                machine.compare(rounds: 8, slowdown: slowdown, [.serverCPU])
                    .cell(.serverCPU, at: 1_000)?.verdict
            }
            if verdict(1.25) == .slower { found += 1 }
            if verdict(1) == .slower { wrong += 1 }
        }
        print("confirmation: found in \(found) of \(Self.comparisons), wrong in \(wrong)")
        #expect(10 * found >= 9 * Self.comparisons)
        #expect(10 * wrong <= Self.comparisons)
    }
}
