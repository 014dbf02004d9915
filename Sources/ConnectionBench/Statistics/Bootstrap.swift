// How sure a median is: intervals of 95 % from resampling the runs.

/// Percentile bootstrap with a fixed seed (Efron and Tibshirani 1993, chapter 13).
///
/// Intervals of fewer than six values are too narrow: five values can show no more than a 94 % one
/// for a median. So no verdict rests on an interval alone, see ``VerdictRule``.
enum Bootstrap {
    static let resamples = 10_000
    /// Values drawn at most in one interval: with hundreds of runs fewer resamples do as well.
    private static let drawsMax = 2_000_000
    private static let seed: UInt64 = 0x5eed

    struct Interval: Equatable {
        var low: Double
        var high: Double
    }

    /// Of the median; `nil` without values. One value is an interval of no width.
    static func median(_ values: [Double], resamples: Int = resamples) -> Interval? {
        guard !values.isEmpty else { return nil }
        var generator = RandomWords(seed: seed)
        var drawn = values
        return interval(resamples, draws: values.count) {
            for index in drawn.indices {
                drawn[index] = values[generator.position(below: values.count)]
            }
            return median(of: &drawn)
        }
    }

    /// Of the median of `new` through that of `base`.
    ///
    /// `nil` without values, or when one is not above 0.
    ///
    /// - Parameter isPaired: value i of both is of the same round of interleaved runs. Rounds are
    ///   then resampled whole, so that a slow change of the machine, which both have, cancels out.
    static func ratio(
        base: [Double], new: [Double], isPaired: Bool, resamples: Int = resamples
    ) -> Interval? {
        guard !base.isEmpty, !new.isEmpty, (base + new).allSatisfy({ $0 > 0 }) else { return nil }
        precondition(!isPaired || base.count == new.count, "a round has a run of each")
        var generator = RandomWords(seed: seed)
        var (drawnBase, drawnNew) = (base, new)
        return interval(resamples, draws: base.count + new.count) {
            for index in drawnBase.indices {
                let round = generator.position(below: base.count)
                drawnBase[index] = base[round]
                if isPaired { drawnNew[index] = new[round] }
            }
            if !isPaired {
                for index in drawnNew.indices {
                    drawnNew[index] = new[generator.position(below: new.count)]
                }
            }
            return median(of: &drawnNew) / median(of: &drawnBase)
        }
    }

    /// Sorts by insertion: of a dozen values that is faster than the general way.
    private static func median(of drawn: inout [Double]) -> Double {
        guard drawn.count <= 32 else {
            drawn.sort()
            return OrderStatistics.median(sorted: drawn)
        }
        drawn.withUnsafeMutableBufferPointer { values in
            var end = 1
            while end < values.count {
                let value = values[end]
                var place = end
                while place > 0, values[place - 1] > value {
                    values[place] = values[place - 1]
                    place -= 1
                }
                values[place] = value
                end += 1
            }
        }
        return OrderStatistics.median(sorted: drawn)
    }

    private static func interval(
        _ resamples: Int, draws: Int, _ statistic: () -> Double
    ) -> Interval {
        let count = max(200, min(resamples, drawsMax / draws))
        let sorted = (0..<count).map { _ in statistic() }.sorted()
        return Interval(
            low: OrderStatistics.quantile(0.025, sorted: sorted),
            high: OrderStatistics.quantile(0.975, sorted: sorted))
    }
}
