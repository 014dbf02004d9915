// A limit of the system that may be absent: a number, or "unlimited".

/// In JSON a number or the word `unlimited`. "Unknown" is not a case: that is a `nil`.
public enum Ceiling: Hashable, Sendable {
    case unlimited
    case at(Int)

    /// The number; `nil` when there is no limit.
    public var value: Int? {
        switch self {
        case .unlimited: nil
        case .at(let value): value
        }
    }

    /// Reads `max` (cgroup v2), `unlimited` (/proc/<pid>/limits) or a number. `nil` for anything
    /// else. cgroup v1 writes "no limit" as the largest number of pages, close to 2^63 bytes.
    init?(_ text: some StringProtocol) {
        if text == "max" || text == "unlimited" {
            self = .unlimited
            return
        }
        guard let number = UInt64(text) else { return nil }
        self = number > UInt64(1) << 62 ? .unlimited : .at(Int(number))
    }
}

extension Ceiling: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(Int.self) {
            self = .at(number)
            return
        }
        let word = try container.decode(String.self)
        guard word == "unlimited" else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "expected a number or 'unlimited', not '\(word)'")
        }
        self = .unlimited
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .unlimited: try container.encode("unlimited")
        case .at(let value): try container.encode(value)
        }
    }
}
