// Result files, read back: a run or a set of runs, by the schema that they name.

import FoundationEssentials

/// Why a file is no result; one line that names it.
public struct ResultFileError: Error, CustomStringConvertible, Sendable {
    public let description: String
}

public enum LoadedResult: Sendable {
    case run(RunResult)
    case set(RunSet)
}

enum ResultDecoder {
    private struct Header: Decodable {
        var schema: String?
        var schemaVersion: String?
    }

    static func run(_ path: String) throws(ResultFileError) -> RunResult {
        guard case .run(let result) = try load(path) else {
            throw ResultFileError(description: "\(path) has several runs, not one")
        }
        return result
    }

    static func load(_ path: String) throws(ResultFileError) -> LoadedResult {
        let text: String
        do {
            text = try TextFile.read(path)
        } catch {
            throw ResultFileError(description: "\(error)")
        }
        return try decode(text, from: path)
    }

    /// - Parameter path: names the text in errors.
    static func decode(
        _ text: String, from path: String
    ) throws(ResultFileError) -> LoadedResult {
        let data = Data(text.utf8)
        let decoder = JSONText.decoder()
        let header: Header
        do {
            header = try decoder.decode(Header.self, from: data)
        } catch {
            throw ResultFileError(
                description: "\(path) is no JSON object: name a file written by uring-bench run"
                    + " --json")
        }
        do {
            switch header.schema {
            case RunSet.schemaName: return .set(try decoder.decode(RunSet.self, from: data))
            case RunResult.schemaName: return .run(try decoder.decode(RunResult.self, from: data))
            default:
                throw ResultFileError(
                    description: "\(path) is no result of a run (its schema is"
                        + " \(header.schema ?? "missing")): name a file written by uring-bench run"
                        + " --json")
            }
        } catch let error as ResultFileError {
            throw error
        } catch {
            throw ResultFileError(
                description: "\(path) cannot be read (schema version"
                    + " \(header.schemaVersion ?? "missing"), another version of the tool?):"
                    + " \(Self.place(error))")
        }
    }

    private static func place(_ error: any Error) -> String {
        func path(_ context: DecodingError.Context) -> String {
            context.codingPath.map(\.stringValue).joined(separator: ".")
        }
        switch error as? DecodingError {
        case .keyNotFound(let key, let context)?:
            return "'\(key.stringValue)' is missing in '\(path(context))'"
        case .typeMismatch(_, let context)?, .valueNotFound(_, let context)?,
            .dataCorrupted(let context)?:
            return "'\(path(context))' is not as expected"
        default: return "\(error)"
        }
    }
}
