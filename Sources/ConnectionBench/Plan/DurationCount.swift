// Lengths of time as people write them: 90s, 30m, 2h, 1h30m, 500ms.

/// Why a text is no length of time; one line, with what is allowed and an example.
public struct DurationError: Error, Hashable, Sendable, CustomStringConvertible {
    public let text: String

    public var description: String {
        "'\(text)' is no length of time: allowed are numbers with ms, s, m or h, the larger unit"
            + " first, for example 90s, 30m, 2h or 1h30m"
    }
}

public struct DurationCount: Hashable, Sendable {
    public let seconds: Double

    /// Each unit at most once, from hours down to milliseconds. A number alone is refused: of seconds
    /// and minutes either could be meant.
    public init(parsing text: String) throws(DurationError) {
        var rest = text[...]
        var seconds = 0.0
        var smallest = Double.infinity
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            rest = rest.dropFirst(digits.count)
            guard let number = Double(digits), let unit = Self.unit(&rest), unit < smallest else {
                throw DurationError(text: text)
            }
            smallest = unit
            seconds += number * unit
        }
        guard smallest < .infinity, seconds.isFinite else { throw DurationError(text: text) }
        self.seconds = seconds
    }

    /// Takes the unit at the head of a text.
    private static func unit(_ text: inout Substring) -> Double? {
        for (name, seconds) in [("ms", 0.001), ("h", 3_600.0), ("m", 60.0), ("s", 1.0)]
        where text.hasPrefix(name) {
            text = text.dropFirst(name.count)
            return seconds
        }
        return nil
    }

    /// `500 ms`, `6.5 s`, `45 s`, `30:00 min`, `2:05:00 h`, `31.0 days`.
    public static func text(_ seconds: Double) -> String {
        if seconds < 1 { return "\(Int((seconds * 1_000).rounded())) ms" }
        if seconds < 120 {
            let isWhole = seconds == seconds.rounded()
            return isWhole ? "\(Int(seconds)) s" : "\(Decimal1.text(seconds)) s"
        }
        if seconds >= 172_800 { return "\(Decimal1.text(seconds / 86_400)) days" }
        return LiveTable.seconds(seconds) + (seconds < 3_600 ? " min" : " h")
    }
}
