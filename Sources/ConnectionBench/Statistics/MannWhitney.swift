// Whether the runs of one group tend to be larger than those of another: Mann and Whitney's U.

import Glibc

/// Two-sided; asks nothing of the distribution, and one wild run changes a rank only.
enum MannWhitney {
    /// Without ties and with groups up to this size the distribution of U is counted exactly.
    static let exactMax = 20

    struct Test: Equatable {
        /// Pairs in which the value of the first group is the larger, ties counting half.
        var u: Double
        var pValue: Double
    }

    /// `nil` without values on a side, or when all values of both sides are the same: there is
    /// nothing that could be told.
    static func test(_ one: [Double], _ other: [Double]) -> Test? {
        guard let first = one.first, !other.isEmpty else { return nil }
        let ranking = rank(one + other)
        if ranking.tieTerm > 0, one.allSatisfy({ $0 == first }), other.allSatisfy({ $0 == first }) {
            return nil
        }
        let (n, m) = (one.count, other.count)
        let rankSum = ranking.ranks[..<n].reduce(0, +)
        let u = rankSum - Double(n * (n + 1)) / 2
        let larger = max(u, Double(n * m) - u)
        if ranking.tieTerm == 0, max(n, m) <= exactMax {
            return Test(u: u, pValue: exact(Int(larger), n, m))
        }
        return Test(u: u, pValue: normal(larger, n, m, tieTerm: ranking.tieTerm))
    }

    /// Mean ranks, and the sum of t³ − t over groups of t equal values.
    private static func rank(_ values: [Double]) -> (ranks: [Double], tieTerm: Double) {
        let order = values.indices.sorted { values[$0] < values[$1] }
        var ranks = [Double](repeating: 0, count: values.count)
        var tieTerm = 0.0
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
            for place in start..<end { ranks[order[place]] = Double(start + end + 1) / 2 }
            let ties = Double(end - start)
            tieTerm += ties * ties * ties - ties
            start = end
        }
        return (ranks, tieTerm)
    }

    /// Twice the part of all orders of the two groups in which U is `u` or more.
    private static func exact(_ u: Int, _ n: Int, _ m: Int) -> Double {
        // ways[k]: choices of n of the first values whose U is k, built up value by value.
        // Counts stay below 2^53 for groups of 20, and are exact as floating-point numbers.
        let uMax = n * m
        var ways = [[Double]](
            repeating: [Double](repeating: 0, count: uMax + 1), count: n + 1)
        ways[0][0] = 1
        for value in 1...(n + m) {
            for chosen in stride(from: min(n, value), to: 0, by: -1) {
                // The value taken as number `chosen` of its group is above value − chosen others.
                let gain = value - chosen
                guard gain <= m else { continue }
                for sum in stride(from: uMax, through: gain, by: -1) {
                    ways[chosen][sum] += ways[chosen - 1][sum - gain]
                }
            }
        }
        let total = ways[n].reduce(0, +)
        return min(1, 2 * ways[n][u...].reduce(0, +) / total)
    }

    /// With corrections for ties and for continuity.
    private static func normal(_ u: Double, _ n: Int, _ m: Int, tieTerm: Double) -> Double {
        let (n, m) = (Double(n), Double(m))
        let all = n + m
        let variance = n * m / 12 * ((all + 1) - tieTerm / (all * (all - 1)))
        let z = (u - n * m / 2 - 0.5) / variance.squareRoot()
        return min(1, erfc(z / 2.0.squareRoot()))
    }
}
