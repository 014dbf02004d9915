// Numbers with decimal places, for people.

/// `12,345.6`: separators of thousands, and always as many places.
public enum DecimalText {
    /// Beyond it a double does not tell neighbouring whole numbers apart.
    private static let wholeMax = 9e15

    /// - Precondition: `places` is 1 or more.
    public static func of(_ value: Double, places: Int) -> String {
        let factor = (0..<places).reduce(1.0) { factor, _ in factor * 10 }
        guard value.isFinite, abs(value) * factor < wholeMax else { return "\(value)" }
        let scaled = Int((abs(value) * factor).rounded())
        let fraction = String(scaled % Int(factor))
        let zeros = String(repeating: "0", count: places - fraction.count)
        let sign = value < 0 && scaled > 0 ? "-" : ""
        return "\(sign)\(Count.format(scaled / Int(factor))).\(zeros)\(fraction)"
    }
}

enum Decimal1 {
    static func text(_ value: Double) -> String { DecimalText.of(value, places: 1) }
}

enum Decimal2 {
    static func text(_ value: Double) -> String { DecimalText.of(value, places: 2) }
}
