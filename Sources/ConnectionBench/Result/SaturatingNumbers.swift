// Whole numbers from figures of a file, which may say anything.

extension Int {
    /// The nearest whole number below, within the range; 0 for what is no number.
    ///
    /// `Int(_: Double)` traps where a figure is too large or none: a quotient of a result file can be.
    public init(saturating value: Double) {
        self =
            value.isNaN ? 0 : Int(exactly: value.rounded(.towardZero)) ?? (value < 0 ? .min : .max)
    }
}

extension UInt64 {
    public init(saturating value: Double) {
        self =
            value.isNaN ? 0 : UInt64(exactly: value.rounded(.towardZero)) ?? (value < 0 ? 0 : .max)
    }
}
