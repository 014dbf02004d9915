// One figure of several runs as one point: the median, and from the lowest to the highest.

struct Samples {
    /// Ascending; finite values only.
    let values: [Double]

    init(_ values: [Double]) {
        self.values = values.filter(\.isFinite).sorted()
    }

    /// `nil` without values.
    var median: Double? {
        guard !values.isEmpty else { return nil }
        let middle = values.count / 2
        return values.count % 2 == 1
            ? values[middle] : values[middle - 1] + (values[middle] - values[middle - 1]) / 2
    }

    /// `nil` with fewer than two values.
    var range: ClosedRange<Double>? {
        values.count > 1 ? values[0]...values[values.count - 1] : nil
    }

    /// `5 runs: 98.0 µs to 1.2 ms`, of nanoseconds; `nil` with fewer than two values.
    var durationsText: String? {
        range.map {
            "\(values.count) runs: \(NumberText.duration(nanoseconds: $0.lowerBound)) to"
                + " \(NumberText.duration(nanoseconds: $0.upperBound))"
        }
    }

    /// Of times and bytes, which add up; never of percentiles.
    var mean: Double? {
        values.isEmpty ? nil : values.reduce(0) { $0 + $1 / Double(values.count) }
    }
}
