// What an axis shows: its title, its scale, and how its numbers are written.

struct Axis {
    enum Format {
        case count, duration, seconds, bytes, percent, processors, microseconds
        /// Of values as one in so many lies beyond: 100 is the 99th percentile.
        case percentile

        /// On the axis, where room is short.
        func tick(_ value: Double) -> String {
            switch self {
            case .count: NumberText.compact(value)
            case .duration: NumberText.compactDuration(nanoseconds: value)
            case .seconds: NumberText.withoutZeros(value, places: 4) + " s"
            case .bytes: Self.shortBytes(value)
            case .percent: NumberText.withoutZeros(value, places: 1) + " %"
            case .processors: NumberText.withoutZeros(value, places: 2)
            case .microseconds: NumberText.withoutZeros(value, places: 2) + " µs"
            case .percentile: NumberText.withoutZeros(100 - 100 / value, places: 3) + " %"
            }
        }

        /// A kB is 1,000 bytes.
        private static func shortBytes(_ value: Double) -> String {
            switch abs(value) {
            case ..<1_000: NumberText.withoutZeros(value, places: 0) + " B"
            case ..<1_000_000: NumberText.withoutZeros(value / 1e3, places: 2) + " kB"
            default: NumberText.withoutZeros(value / 1e6, places: 2) + " MB"
            }
        }

        /// In a sentence.
        func text(_ value: Double) -> String {
            switch self {
            case .count: NumberText.whole(value)
            case .duration: NumberText.duration(nanoseconds: value)
            case .seconds: NumberText.decimal(value, places: 2) + " s"
            case .bytes: NumberText.whole(value) + " B"
            case .percent: NumberText.oneDecimal(value) + " %"
            case .processors: NumberText.decimal(value, places: 2)
            case .microseconds: NumberText.oneDecimal(value) + " µs"
            case .percentile: tick(value)
            }
        }
    }

    var title: String
    var format: Format
    var kind = Scale.Kind.linear
    var fit = Scale.Fit.fromZero
    /// Places of the labels, the last the most important; `nil`: round numbers.
    var labelled: [Double]?
    /// Values that the axis reaches in any case.
    var includes: [Double] = []

    func scale(covering values: [Double]) -> Scale {
        Scale(kind, covering: values + includes, fit: fit)
    }
}
