// A fact that may be unknown, and then says why.

/// In JSON the value itself, or `{"unknown": "the reason"}`.
public enum Fact<Value: Sendable>: Sendable {
    case known(Value)
    case unknown(because: String)

    public var value: Value? { if case .known(let value) = self { value } else { nil } }

    public var reason: String? { if case .unknown(let reason) = self { reason } else { nil } }

    func map<Other>(_ transform: (Value) -> Other) -> Fact<Other> {
        switch self {
        case .known(let value): .known(transform(value))
        case .unknown(let reason): .unknown(because: reason)
        }
    }

    /// Reads a file; what fails is the reason.
    init(_ body: () throws(FileError) -> Value) {
        do throws(FileError) {
            self = .known(try body())
        } catch {
            self = .unknown(because: "\(error)")
        }
    }
}

private enum CodingKeys: String, CodingKey { case unknown }

extension Fact: Equatable where Value: Equatable {}
extension Fact: Hashable where Value: Hashable {}

extension Fact: Decodable where Value: Decodable {
    public init(from decoder: any Decoder) throws {
        if let container = try? decoder.container(keyedBy: CodingKeys.self),
            let reason = try? container.decode(String.self, forKey: .unknown)
        {
            self = .unknown(because: reason)
            return
        }
        self = .known(try decoder.singleValueContainer().decode(Value.self))
    }
}

extension Fact: Encodable where Value: Encodable {
    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .known(let value):
            var container = encoder.singleValueContainer()
            try container.encode(value)
        case .unknown(let reason):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(reason, forKey: .unknown)
        }
    }
}
