// Medians, quantiles and outliers: what a few noisy values say without assuming a bell curve.

enum OrderStatistics {
    /// The middle value, or the mean of the two in the middle; `nil` for none.
    static func median(_ values: [Double]) -> Double? {
        values.isEmpty ? nil : median(sorted: values.sorted())
    }

    /// - Precondition: `values` is sorted and not empty.
    static func median(sorted values: [Double]) -> Double {
        let middle = values.count / 2
        return values.count % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2
    }

    /// Between the order statistics linearly, as numpy's percentile does.
    ///
    /// - Precondition: `values` is sorted and not empty, `part` is within 0 and 1.
    static func quantile(_ part: Double, sorted values: [Double]) -> Double {
        let place = part * Double(values.count - 1)
        let below = Int(place)
        guard below + 1 < values.count else { return values[values.count - 1] }
        return values[below] + (place - Double(below)) * (values[below + 1] - values[below])
    }

    /// Values with a modified Z-score above this are called outliers, never left out: 10 times the
    /// spread that a bell curve has, as hyperfine(1) does. Iglewicz and Hoaglin's 3.5 would name
    /// one in five quiet sets of runs, since latencies have a long tail.
    static let outlierScore = 10.0

    /// Positions of values that are far from the rest, by the median absolute deviation.
    static func outliers(_ values: [Double]) -> [Int] {
        guard values.count >= 4, let middle = median(values),
            let deviation = median(values.map { abs($0 - middle) }), deviation > 0
        else { return [] }
        return values.indices.filter {
            modifiedZScore(values[$0], median: middle, deviation: deviation) > outlierScore
        }
    }

    /// 0.6745 |x − median| / MAD: the distance in standard deviations of a bell curve.
    static func modifiedZScore(_ value: Double, median: Double, deviation: Double) -> Double {
        0.674_489_750_196_081_7 * abs(value - median) / deviation
    }
}
