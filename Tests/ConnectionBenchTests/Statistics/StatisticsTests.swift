// The statistics against scipy 1.17.1 and numpy; the line that made each figure stands beside it.

import Testing

@testable import ConnectionBench

@Suite struct StatisticsTests {
    private func isClose(_ one: Double?, _ other: Double, _ tolerance: Double = 1e-9) -> Bool {
        one.map { abs($0 - other) <= tolerance * max(1, abs(other)) } ?? false
    }

    @Test("a median is the middle, or the mean of the two in the middle")
    func median() {
        #expect(OrderStatistics.median([3, 1, 2]) == 2)
        #expect(OrderStatistics.median([4, 1, 2, 3]) == 2.5)
        #expect(OrderStatistics.median([7]) == 7)
        #expect(OrderStatistics.median([]) == nil)
    }

    @Test("quantiles lie between the values as numpy's do")
    func quantile() {
        // numpy.percentile([1, 2, 4, 8], [0, 2.5, 50, 97.5, 100])
        let sorted = [1.0, 2, 4, 8]
        let expected = [(0, 1.0), (0.025, 1.075), (0.5, 3.0), (0.975, 7.7), (1, 8.0)]
        for (part, value) in expected {
            #expect(isClose(OrderStatistics.quantile(part, sorted: sorted), value))
        }
    }

    @Test("Mann-Whitney without ties is exact")
    func exactTest() {
        // mannwhitneyu(a, b, method='exact')
        let small = MannWhitney.test(
            [9.8, 10.1, 10.4, 9.6, 10.9], [11.2, 10.8, 12.1, 11.7, 10.6])
        #expect(small?.u == 2)
        #expect(isClose(small?.pValue, 0.031746031746031744))
        let unequal = MannWhitney.test(
            [3.1, 2.7, 4.4, 3.9, 2.2, 5.0, 3.3, 4.8], [5.1, 4.1, 6.0, 4.9, 5.6, 3.6, 6.2])
        #expect(unequal?.u == 8)
        #expect(isClose(unequal?.pValue, 0.020512820512820513))
        // mannwhitneyu([1, 2, 3, 4], [5, 6, 7, 8], method='exact')
        #expect(
            isClose(MannWhitney.test([1, 2, 3, 4], [5, 6, 7, 8])?.pValue, 0.02857142857142857))
    }

    @Test("Mann-Whitney gives the same p from either side")
    func symmetry() {
        let (one, other) = ([3.1, 2.7, 4.4, 3.9, 2.2], [5.1, 4.1, 6.0, 4.9])
        #expect(
            MannWhitney.test(one, other)?.pValue == MannWhitney.test(other, one)?.pValue)
    }

    @Test("Mann-Whitney with ties, or many values, uses the corrected bell curve")
    func normalTest() {
        // mannwhitneyu(a, b, method='asymptotic')
        let ties = MannWhitney.test([1, 2, 2, 3, 5, 5, 5, 8], [2, 3, 5, 6, 8, 8, 9, 9])
        #expect(ties?.u == 15)
        #expect(isClose(ties?.pValue, 0.0785934912071024))
        // [(i*37)%101 + 0.01*i for i in range(30)], [(i*53)%97 + 12 + 0.013*i for i in range(25)]
        let long = (0..<30).map { (i: Int) -> Double in Double(i * 37 % 101) + 0.01 * Double(i) }
        let short = (0..<25).map { (i: Int) -> Double in
            Double(i * 53 % 97) + 12 + 0.013 * Double(i)
        }
        let many = MannWhitney.test(long, short)
        #expect(many?.u == 330)
        #expect(isClose(many?.pValue, 0.4519384379382515))
        // mannwhitneyu([1, 2, 3, 4], [1, 2, 3, 4], method='asymptotic')
        #expect(MannWhitney.test([1, 2, 3, 4], [1, 2, 3, 4])?.pValue == 1)
    }

    @Test("nothing can be told from values that are all the same, or from none")
    func noTest() {
        #expect(MannWhitney.test([5, 5, 5, 5], [5, 5, 5, 5]) == nil)
        #expect(MannWhitney.test([], [1]) == nil)
        #expect(MannWhitney.test([1], []) == nil)
        // All of one side the same, but not as the other's: there is something to tell.
        #expect((MannWhitney.test([5, 5, 5, 5], [6, 6, 6, 6])?.pValue ?? 1) < 0.05)
    }

    @Test("p-values are corrected as Benjamini and Hochberg do")
    func falseDiscovery() {
        // false_discovery_control([0.01, 0.04, 0.03, 0.005, 0.5, 0.04, 0.2])
        let adjusted = FalseDiscovery.adjusted([0.01, 0.04, 0.03, 0.005, 0.5, 0.04, 0.2])
        let expected = [0.035, 0.056, 0.056, 0.035, 0.5, 0.056, 0.23333333333333336]
        for (one, other) in zip(adjusted, expected) { #expect(isClose(one, other)) }
        #expect(FalseDiscovery.adjusted([]) == [])
    }

    private static let x = [102.1, 98.7, 110.4, 95.2, 104.9, 99.9, 107.3, 101.2, 93.8, 105.5]
    private static let y = [126.3, 131.8, 119.9, 140.2, 123.4, 128.8, 117.5, 135.1, 122.7, 130.0]

    @Test("the bootstrap interval of a median is scipy's, within what resampling scatters")
    func bootstrapMedian() throws {
        // bootstrap((x,), np.median, n_resamples=100000, method='percentile')
        let interval = try #require(Bootstrap.median(Self.x))
        #expect(isClose(interval.low, 97.55, 0.005) && isClose(interval.high, 106.1, 0.005))
    }

    @Test("the bootstrap interval of a ratio is scipy's, of two groups and of rounds")
    func bootstrapRatio() throws {
        // bootstrap((x, y), median(y)/median(x), n_resamples=100000, method='percentile')
        let apart = try #require(Bootstrap.ratio(base: Self.x, new: Self.y, isPaired: false))
        #expect(isClose(apart.low, 1.1730, 0.005) && isClose(apart.high, 1.3238, 0.005))
        // The same with paired=True.
        let paired = try #require(Bootstrap.ratio(base: Self.x, new: Self.y, isPaired: true))
        #expect(isClose(paired.low, 1.1570, 0.005) && isClose(paired.high, 1.3350, 0.005))
    }

    @Test("the same values give the same interval again")
    func bootstrapSeed() {
        #expect(Bootstrap.median(Self.x) == Bootstrap.median(Self.x))
        #expect(Bootstrap.median([]) == nil)
        #expect(Bootstrap.median([4]) == Bootstrap.Interval(low: 4, high: 4))
        #expect(Bootstrap.ratio(base: [0, 1], new: [1, 1], isPaired: false) == nil)
    }

    @Test("rounds take a slow change of the machine out of the ratio's interval")
    func bootstrapDrift() throws {
        let drift = (0..<10).map { 100 * (1 + 0.05 * Double($0)) }
        let new = drift.map { $0 * 1.1 }
        let paired = try #require(Bootstrap.ratio(base: drift, new: new, isPaired: true))
        let apart = try #require(Bootstrap.ratio(base: drift, new: new, isPaired: false))
        #expect(isClose(paired.low, 1.1) && isClose(paired.high, 1.1))
        #expect(apart.low < 1.0 && apart.high > 1.2)
    }

    @Test(
        "Student's quantiles are scipy's",
        arguments: [
            // t.ppf(0.975, n), t.ppf(0.8, n)
            (1, 12.706204736174694, 1.3763819204711738), (2, 4.302652729749462, 1.0606601717798214),
            (3, 3.1824463052837078, 0.9784723123633042),
            (6, 2.4469118511449786, 0.9057032851805317),
            (8, 2.306004135204166, 0.8888895177670202),
            (18, 2.1009220402410382, 0.8620486679895989),
            (30, 2.0422724563012378, 0.8537672614712979),
        ])
    func student(degrees: Int, high: Double, low: Double) {
        #expect(isClose(StudentT.quantile(0.975, degrees: degrees), high))
        #expect(isClose(StudentT.quantile(0.8, degrees: degrees), low))
    }

    @Test(
        "the smallest resolvable change follows the formula",
        arguments: [
            // d = (t.ppf(.975, 2n-2) + t.ppf(.8, 2n-2)) * 0.1 * sqrt(2/(n*3/pi)); exp(d) - 1
            (4, 0.27455315672534963), (5, 0.2297074269423489), (8, 0.16667294019889267),
            (10, 0.14522263095822918), (20, 0.09752199968345221),
        ])
    func resolution(runs: Int, change: Double) {
        #expect(isClose(Resolution.smallest(spread: 0.1, runs: runs), change))
    }

    @Test("three runs resolve nothing, and the runs needed are the fewest that resolve it")
    func runsNeeded() throws {
        #expect(Resolution.smallest(spread: 0.1, runs: 3) == nil)
        for spread in [0.02, 0.05, 0.1, 0.3] {
            let runs = Resolution.runsNeeded(spread: spread, for: 0.05)
            #expect(try #require(Resolution.smallest(spread: spread, runs: runs)) <= 0.05)
            if runs > VerdictRule.runsMin {
                #expect(try #require(Resolution.smallest(spread: spread, runs: runs - 1)) > 0.05)
            }
        }
        #expect(Resolution.runsNeeded(spread: 0, for: 0.05) == VerdictRule.runsMin)
        #expect(Resolution.runsNeeded(spread: 100, for: 0.05) == Resolution.runsMax)
    }

    @Test("the spread of interleaved runs leaves out what the rounds have in common")
    func spread() throws {
        // sqrt((var(log(base), ddof=1) + var(log(new), ddof=1)) / 2)
        let base = [100.0, 110, 121, 133.1]
        let new = [105.0, 112, 130, 136]
        let apart = try #require(Resolution.spread(base: base, new: new, isPaired: false))
        let paired = try #require(Resolution.spread(base: base, new: new, isPaired: true))
        #expect(isClose(apart, 0.12253003079735089, 1e-6))
        #expect(paired < apart && paired >= apart / 2)
        #expect(Resolution.spread(base: [1], new: new, isPaired: false) == nil)
        #expect(Resolution.spread(base: [0, 1], new: new, isPaired: false) == nil)
    }

    @Test("a run far from the others is an outlier, and the tail of a quiet set is none")
    func outliers() {
        // 0.6745 * |14 - 10.05| / MAD = 26.6
        #expect(OrderStatistics.outliers([10, 10.2, 9.9, 10.1, 10.05, 9.95, 14]) == [6])
        #expect(OrderStatistics.outliers([10, 10.2, 9.9, 10.1, 10.05, 9.95, 10.9]) == [])
        #expect(OrderStatistics.outliers([5, 5, 5, 5]) == [])
        #expect(OrderStatistics.outliers([1, 100]) == [])
    }
}
