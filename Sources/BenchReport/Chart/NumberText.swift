// Numbers for people, from doubles that may be anything a file contains.

import ConnectionBench

enum NumberText {
    /// Stands where there is no number.
    static let missing = "–"

    /// Beyond it a double does not tell neighbouring whole numbers apart.
    private static let wholeMax = 9e15

    /// `12,345`.
    static func whole(_ value: Double) -> String {
        guard value.isFinite else { return missing }
        guard abs(value) < wholeMax else { return "\(value)" }
        return Count.format(Int(saturating: value.rounded()))
    }

    /// `12,345.6`.
    static func oneDecimal(_ value: Double) -> String { decimal(value, places: 1) }

    static func decimal(_ value: Double, places: Int) -> String {
        guard value.isFinite else { return missing }
        guard places > 0 else { return whole(value) }
        return DecimalText.of(value, places: places)
    }

    /// `1k`, `1.5M`: for axes, where room is short.
    static func compact(_ value: Double) -> String {
        guard value.isFinite else { return missing }
        let size = abs(value)
        for (unit, name) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] where size >= unit * 0.9995 {
            return withoutZeros(value / unit, places: size < unit * 99.95 ? 2 : 1) + name
        }
        return withoutZeros(value, places: 2)
    }

    /// `295.0 µs`, as the tool's table has it.
    static func duration(nanoseconds: Double) -> String {
        guard nanoseconds.isFinite, nanoseconds >= 0 else { return missing }
        guard nanoseconds < 1.8e19 else { return "\(nanoseconds / 1e9) s" }
        return DurationText.of(UInt64(saturating: nanoseconds.rounded()))
    }

    /// `100 µs`, `2 ms`: a duration on an axis.
    static func compactDuration(nanoseconds: Double) -> String {
        guard nanoseconds.isFinite else { return missing }
        switch abs(nanoseconds) {
        case 0: return "0"
        case ..<999.5: return withoutZeros(nanoseconds, places: 1) + " ns"
        case ..<999_500: return withoutZeros(nanoseconds / 1e3, places: 1) + " µs"
        case ..<999_500_000: return withoutZeros(nanoseconds / 1e6, places: 1) + " ms"
        default: return withoutZeros(nanoseconds / 1e9, places: 1) + " s"
        }
    }

    /// At most `places` decimal places, and no zeros at the end.
    static func withoutZeros(_ value: Double, places: Int) -> String {
        var text = decimal(value, places: places)
        guard text.contains("."), !text.contains("e") else { return text }
        while text.last == "0" { text.removeLast() }
        if text.last == "." { text.removeLast() }
        return text
    }

    /// For attributes: no separators, at most one decimal place.
    static func plain(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e9 else { return "0" }
        let tenths = Int(saturating: (value * 10).rounded())
        let sign = tenths < 0 ? "-" : ""
        let (whole, rest) = (abs(tenths) / 10, abs(tenths) % 10)
        return rest == 0 ? "\(sign)\(whole)" : "\(sign)\(whole).\(rest)"
    }
}
