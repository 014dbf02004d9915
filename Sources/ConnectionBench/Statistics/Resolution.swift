// How small a difference some runs could have shown, and how many runs a smaller one needs.

import Glibc

/// Power analysis on logarithms, since noise of performance figures is in proportion to them.
///
/// With n runs on each side, s the standard deviation of log values within the sides, and E = 3/π
/// the efficiency of Mann-Whitney's test against Student's (Hodges and Lehmann 1956), the smallest
/// factor that a test at 5 % finds with a probability of 80 % is
///
///     exp((t(0.975) + t(0.8)) · s · √(2 / (n E)))      with 2n − 2 degrees of freedom
///
/// (Student's form of the usual sample size formula, for example Chow, Shao, Wang 2008, chapter 3).
/// It is for one figure alone: among many, the correction of Benjamini and Hochberg asks for more.
/// s of fewer than ten runs is itself a guess, which the t quantiles allow for in part.
enum Resolution {
    static let alpha = 0.05
    static let power = 0.8
    /// Beyond this nobody repeats a run.
    static let runsMax = 100_000
    private static let efficiency = 3 / Double.pi

    /// Standard deviation of the logarithms within the two sides.
    ///
    /// - Parameter isPaired: value i of both is of the same round; what a round has in common, such
    ///   as a slow change of the machine, is then taken out.
    /// - Returns: `nil` with fewer than two values on a side, or a value that is not positive.
    static func spread(base: [Double], new: [Double], isPaired: Bool) -> Double? {
        guard base.count >= 2, new.count >= 2, (base + new).allSatisfy({ $0 > 0 }) else {
            return nil
        }
        let (one, other) = (base.map { log($0) }, new.map { log($0) })
        let degrees = Double(one.count + other.count - 2)
        let within = ((squares(one) + squares(other)) / degrees).squareRoot()
        guard isPaired, one.count == other.count else { return within }
        // The differences of rounds have twice the variance of one value.
        let differences = zip(one, other).map { $1 - $0 }
        let paired = (squares(differences) / Double(one.count - 1) / 2).squareRoot()
        // A few rounds may agree by chance: no more than half of the spread is believed away.
        return min(within, max(paired, within / 2))
    }

    private static func squares(_ values: [Double]) -> Double {
        let mean = values.reduce(0, +) / Double(values.count)
        return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    }

    /// The smallest change, as a part of 1, that `runs` on each side resolve.
    static func smallest(spread: Double, runs: Int) -> Double? {
        guard runs >= VerdictRule.runsMin else { return nil }
        return exp(factor(runs) * spread) - 1
    }

    /// Runs on each side that a change of `change` needs; at least the fewest that allow a verdict.
    static func runsNeeded(spread: Double, for change: Double) -> Int {
        let wanted = log(1 + change)
        func suffices(_ runs: Int) -> Bool { factor(runs) * spread <= wanted }
        if suffices(VerdictRule.runsMin) { return VerdictRule.runsMin }
        var high = 2 * VerdictRule.runsMin
        while !suffices(high), high < runsMax { high *= 2 }
        if high >= runsMax { return runsMax }
        var low = high / 2
        while high - low > 1 {
            let middle = (low + high) / 2
            if suffices(middle) { high = middle } else { low = middle }
        }
        return high
    }

    private static func factor(_ runs: Int) -> Double {
        let degrees = 2 * runs - 2
        let quantiles =
            StudentT.quantile(1 - alpha / 2, degrees: degrees)
            + StudentT.quantile(power, degrees: degrees)
        return quantiles * (2 / (Double(runs) * efficiency)).squareRoot()
    }
}

/// Student's t for whole degrees of freedom.
enum StudentT {
    /// Above this the bell curve is as good to three digits, and the sum below longer.
    private static let degreesMax = 2_000

    /// The t below which `part` of the distribution lies, for 0.5 to 0.9999.
    static func quantile(_ part: Double, degrees: Int) -> Double {
        var (low, high) = (0.0, 1_000.0)
        for _ in 0..<80 {
            let middle = (low + high) / 2
            if (1 + inside(middle, min(degrees, degreesMax))) / 2 < part {
                low = middle
            } else {
                high = middle
            }
        }
        return (low + high) / 2
    }

    /// The part within −t and t: Abramowitz and Stegun 26.7.3 and 26.7.4.
    private static func inside(_ t: Double, _ degrees: Int) -> Double {
        let angle = atan(t / Double(degrees).squareRoot())
        let (sine, cosine) = (sin(angle), cos(angle))
        let isOdd = degrees % 2 == 1
        var term = isOdd ? cosine : 1
        var sum = degrees == 1 ? 0 : term
        var power = isOdd ? 3 : 2
        while power <= degrees - 2 {
            term *= Double(power - 1) / Double(power) * cosine * cosine
            sum += term
            power += 2
        }
        return isOdd ? 2 / Double.pi * (angle + sine * sum) : sine * sum
    }
}
