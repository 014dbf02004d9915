// One file that a report is made of: what it contains, or in one line why it cannot be used.

import ConnectionBench
import FoundationEssentials

public struct ReportInput: Sendable {
    public enum Content: Sendable {
        case run(RunResult)
        case set(RunSet)
        case ports(PortStoryResult)
    }

    /// For people: the file's name without its folder.
    public let name: String
    public let content: Content

    public init(name: String, _ content: Content) {
        self.name = name
        self.content = content
    }

    /// Reads what `--json` has written.
    ///
    /// - Parameters:
    ///   - path: names the file in errors.
    ///   - bytes: the content of the file.
    public init(path: String, bytes: [UInt8]) throws(ReportInputError) {
        let data = Data(bytes)
        let decoder = JSONText.decoder()
        guard !bytes.isEmpty else {
            throw ReportInputError(path: path, "it is empty")
        }
        let head: SchemaHead
        do {
            head = try decoder.decode(SchemaHead.self, from: data)
        } catch {
            throw ReportInputError(path: path, Self.reasonWithoutHead(error))
        }
        guard let schema = head.schema else {
            throw ReportInputError(
                path: path, "it is JSON without a \"schema\", so not from uring-bench")
        }
        do {
            switch schema {
            case RunResult.schemaName:
                content = .run(try decoder.decode(RunResult.self, from: data))
            case RunSet.schemaName:
                content = .set(try decoder.decode(RunSet.self, from: data))
            case PortStoryResult.schemaName:
                content = .ports(try decoder.decode(PortStoryResult.self, from: data))
            default:
                throw ReportInputError(path: path, "it is of the kind \"\(schema)\"")
            }
        } catch let error as ReportInputError {
            throw error
        } catch {
            throw ReportInputError(
                path: path,
                "as \(schema) \(head.schemaVersion ?? "without a version") it is not whole:"
                    + " \(Self.reason(error)); another version of uring-bench may have written it",
                isKnownKind: true)
        }
        name = path.split(separator: "/").last.map(String.init) ?? path
    }

    private struct SchemaHead: Decodable {
        var schema: String?
        var schemaVersion: String?
    }

    private static func reasonWithoutHead(_ error: any Error) -> String {
        guard let error = error as? DecodingError, case .dataCorrupted = error else {
            return "its JSON is not an object with a \"schema\""
        }
        return "it is not JSON, or was cut off"
    }

    private static func reason(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "\(error)" }
        func place(_ path: [any CodingKey]) -> String {
            var text = ""
            for key in path {
                if let index = key.intValue {
                    text += "[\(index)]"
                } else {
                    text += (text.isEmpty ? "" : ".") + key.stringValue
                }
            }
            return text.isEmpty ? "the result" : text
        }
        switch error {
        case .keyNotFound(let key, let context):
            return "\(place(context.codingPath + [key])) is missing"
        case .valueNotFound(_, let context): return "\(place(context.codingPath)) is null"
        case .typeMismatch(let type, let context):
            return "\(place(context.codingPath)) is not of the type \(type)"
        case .dataCorrupted(let context): return "\(place(context.codingPath)) cannot be read"
        @unknown default: return "\(error)"
        }
    }
}

/// One line: the file, what is wrong with it, what is allowed.
public struct ReportInputError: Error, Hashable, Sendable, CustomStringConvertible {
    public let path: String
    public let reason: String
    /// The kind is right, so there is no need to say which are.
    let isKnownKind: Bool

    public init(path: String, _ reason: String) {
        self.init(path: path, reason, isKnownKind: false)
    }

    init(path: String, _ reason: String, isKnownKind: Bool) {
        (self.path, self.reason, self.isKnownKind) = (path, reason, isKnownKind)
    }

    public var description: String {
        let line = "\(path) cannot be shown: \(reason)"
        guard !isKnownKind else { return line }
        return line + "; allowed are files that --json of `uring-bench run` and `uring-bench ports`"
            + " has written"
    }
}
