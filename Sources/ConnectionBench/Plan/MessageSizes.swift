// Sizes of messages as a distribution: uniform over a range, or a list of sizes with weights.

/// Why a text names no sizes; one line, with what is allowed and examples.
public struct MessageSizesError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    fileprivate init(_ text: String) {
        description =
            "\(text); allowed is 1 to 1,048,576 bytes, up to --buffer: a size (64), a range (64-1024)"
            + " or sizes with weights (64:90,1024:9,16k:1)"
    }
}

public enum MessageSizes: Codable, Hashable, Sendable {
    /// Each size from the first to the second is equally likely.
    case uniform(from: Int, to: Int)
    /// Each size as often as its part of all weights, at most ``MessageSizes/weightedMax`` sizes.
    case weighted(sizes: [Weighted])

    public struct Weighted: Codable, Hashable, Sendable {
        public var byteCount: Int
        public var weight: Int

        public init(byteCount: Int, weight: Int) {
            self.byteCount = byteCount
            self.weight = weight
        }
    }

    public static let byteCountMax = 1 << 20
    public static let weightedMax = 64
    static let weightMax = 1_000_000

    /// Reads `64`, `64-1024` or `64:90,1024:9,16k:1`.
    public init(parsing text: String) throws(MessageSizesError) {
        if text.contains(":") || text.contains(",") {
            self = .weighted(sizes: try Self.weighted(text))
            return
        }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2, let first = ends.first, let last = ends.last else {
            throw MessageSizesError("'\(text)' is not a size")
        }
        let low = try Self.byteCount(first, in: text)
        let high = try Self.byteCount(last, in: text)
        guard low <= high else {
            throw MessageSizesError("'\(text)': the range begins above its end")
        }
        self = .uniform(from: low, to: high)
    }

    private static func weighted(_ text: String) throws(MessageSizesError) -> [Weighted] {
        var list: [Weighted] = []
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = item.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, let weight = Int(parts[1]), 1...weightMax ~= weight else {
                throw MessageSizesError(
                    "'\(item)' is not SIZE:WEIGHT with a whole weight from 1 to 1,000,000")
            }
            let byteCount = try Self.byteCount(parts[0], in: text)
            guard !list.contains(where: { $0.byteCount == byteCount }) else {
                throw MessageSizesError("'\(text)' has \(Count.format(byteCount)) bytes twice")
            }
            list.append(Weighted(byteCount: byteCount, weight: weight))
        }
        guard list.count <= weightedMax else {
            throw MessageSizesError("'\(text)' has more than \(weightedMax) sizes")
        }
        return list
    }

    private static func byteCount(
        _ text: Substring, in whole: String
    ) throws(MessageSizesError) -> Int {
        let value: Int
        do throws(CountError) {
            value = try Count(parsing: String(text)).value
        } catch {
            throw MessageSizesError("'\(text)' in '\(whole)' is not a number of bytes")
        }
        guard 1...byteCountMax ~= value else {
            throw MessageSizesError("\(Count.format(value)) bytes in '\(whole)' are not allowed")
        }
        return value
    }

    /// The only size; `nil` when there are several.
    public var single: Int? {
        switch self {
        case .uniform(let low, let high): low == high ? low : nil
        case .weighted(let list): list.count == 1 ? list[0].byteCount : nil
        }
    }

    public var largest: Int {
        switch self {
        case .uniform(_, let high): high
        case .weighted(let list): list.map(\.byteCount).max() ?? 0
        }
    }

    /// `64-1,024 B`, or `64 B (90 %), 1,024 B (9 %)`.
    public var words: String {
        switch self {
        case .uniform(let low, let high):
            return low == high
                ? "\(Count.format(low)) B" : "\(Count.format(low)) to \(Count.format(high)) B"
        case .weighted(let list):
            let all = list.reduce(0) { $0 + $1.weight }
            return list.map {
                "\(Count.format($0.byteCount)) B"
                    + " (\(Decimal1.text(100 * Double($0.weight) / Double(all))) %)"
            }.joined(separator: ", ")
        }
    }
}
