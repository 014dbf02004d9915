// Counts and byte counts as people write and read them: 500k, 1.5M, "500,000", "3.8 GiB".

/// Why a text is not a count; one line, with what is allowed and an example.
public enum CountError: Error, Hashable, Sendable, CustomStringConvertible {
    case notANumber(String)
    case notWhole(String)
    case tooLarge(String)

    public var description: String {
        switch self {
        case .notANumber(let text):
            "'\(text)' is not a count: allowed are digits with k, M or G (x1,000 each), "
                + "for example 500000, 500k or 1.5M"
        case .notWhole(let text):
            "'\(text)' is not a whole number: allowed are whole counts, for example 1.5k for 1,500"
        case .tooLarge(let text):
            "'\(text)' is too large: allowed is up to \(Count.format(Count.largest)), "
                + "for example 500k"
        }
    }
}

/// A whole number from 0 to 10^11, readable from `500000`, `500k`, `1.5M`, `2G`, `1_000`, `1,000`.
public struct Count: Hashable, Sendable {
    /// More than any machine could hold, and far from overflow in what is multiplied with it.
    public static let largest = 100_000_000_000

    public let value: Int

    /// k, M and G are decimal, in either case. `_` and `,` separate groups of three digits only, so
    /// that a decimal comma (`1,5M`) is refused and not taken for 15M.
    public init(parsing text: String) throws(CountError) {
        let (number, factor) = Self.splitSuffix(text)
        let parts = number.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = Self.wholeDigits(parts[0]) else { throw .notANumber(text) }
        var fraction = parts.count == 2 ? parts[1] : nil
        if let fraction, fraction.isEmpty || !fraction.utf8.allSatisfy(Self.isDigit) {
            throw .notANumber(text)
        }
        while fraction?.last == "0" { fraction?.removeLast() }

        guard let base = Self.scaled(whole, by: factor) else { throw .tooLarge(text) }
        var sum = base
        var place = factor
        for digit in (fraction ?? "").utf8 {
            guard place % 10 == 0 else { throw .notWhole(text) }
            place /= 10
            sum += Int(digit - UInt8(ascii: "0")) * place
        }
        guard sum <= Self.largest else { throw .tooLarge(text) }
        value = sum
    }

    /// With thousands separators: `500,000`.
    public var formatted: String { Self.format(value) }

    /// Any whole number with thousands separators.
    public static func format(_ number: Int) -> String {
        var digits = Array(String(number.magnitude).utf8)
        for index in stride(from: digits.count - 3, to: 0, by: -3) {
            digits.insert(UInt8(ascii: ","), at: index)
        }
        return (number < 0 ? "-" : "") + String(decoding: digits, as: UTF8.self)
    }

    /// Bytes below 10 KiB as they are (`8,122 B`), more in the largest fitting unit (`3.8 GiB`).
    public static func format(bytes: Int) -> String {
        guard bytes.magnitude >= 10_240 else { return "\(format(bytes)) B" }
        let units = ["KiB", "MiB", "GiB", "TiB"]
        let magnitude = Double(bytes.magnitude)
        var unit = 0
        var divisor = 1_024.0
        // 1,024.0 of a unit, after rounding, is shown as 1.0 of the next.
        while unit + 1 < units.count, (magnitude / divisor * 10).rounded() >= 10_240 {
            unit += 1
            divisor *= 1_024
        }
        let tenths = Int((magnitude / divisor * 10).rounded())
        let sign = bytes < 0 ? "-" : ""
        return "\(sign)\(format(tenths / 10)).\(tenths % 10) \(units[unit])"
    }

    private static func splitSuffix(_ text: String) -> (number: Substring, factor: Int) {
        switch text.last {
        case "k", "K": (text.dropLast(), 1_000)
        case "m", "M": (text.dropLast(), 1_000_000)
        case "g", "G": (text.dropLast(), 1_000_000_000)
        default: (text[...], 1)
        }
    }

    /// The digits without their separators; `nil` for anything but digits in proper groups.
    private static func wholeDigits(_ text: Substring) -> Substring? {
        let groups = text.split(omittingEmptySubsequences: false) { $0 == "," || $0 == "_" }
        guard groups.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(isDigit) }) else { return nil }
        if groups.count > 1 {
            guard groups[0].utf8.count <= 3, groups.dropFirst().allSatisfy({ $0.utf8.count == 3 })
            else { return nil }
        }
        return groups.joined()[...]
    }

    /// `nil` when it is above `largest`, or does not fit an `Int`.
    private static func scaled(_ digits: Substring, by factor: Int) -> Int? {
        guard let number = Int(digits) else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow || product > largest ? nil : product
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }
}
