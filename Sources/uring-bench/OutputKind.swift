// What a result file holds, by its extension.

import ArgumentParser
import ConnectionBench

/// The kinds of files that `--output` writes. Another kind needs a case here and its text below.
enum OutputKind: String, CaseIterable {
    case json, ndjson, csv, hlog, hgrm, prom, md

    /// - Throws: which extensions there are.
    init(path: String) throws {
        let name = path.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count > 1, let last = parts.last,
            let kind = OutputKind(rawValue: last.lowercased())
        else {
            throw ValidationError(
                "--output \(path): its extension says what to write: \(OutputKind.allowed)")
        }
        self = kind
    }

    static var allowed: String {
        let names = allCases.map { ".\($0.rawValue)" }
        return names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
    }

    func text(of result: RunResult) throws -> String {
        switch self {
        case .json: try JSONText.pretty(result)
        case .ndjson: try ResultText.ndjson(result)
        case .csv: ResultText.csv(result)
        case .hlog: ResultText.histogramLog(result)
        case .hgrm: try ResultText.percentiles(result)
        case .prom: ResultText.prometheus(result)
        case .md: ResultText.markdown(result)
        }
    }
}
