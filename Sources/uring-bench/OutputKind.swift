// What a result file holds, by its extension.

import ArgumentParser
import BenchReport
import ConnectionBench

/// The kinds of files that `--output` writes. Another kind needs a case here and its text below.
enum OutputKind: String, CaseIterable {
    case json, html, md, csv, ndjson, hlog, hgrm, prom

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
        case .html: page(result.layout?.backend.rawValue ?? "run", .run(result))
        case .ndjson: try ResultText.ndjson(result)
        case .csv: ResultText.csv(result)
        case .hlog: ResultText.histogramLog(result)
        case .hgrm: try ResultText.percentiles(result)
        case .prom: ResultText.prometheus(result)
        case .md: ResultText.markdown(result)
        }
    }

    /// - Throws: ``OneRunOnly`` for a form that has no place for several runs.
    func text(of set: RunSet) throws -> String {
        switch self {
        case .json: try JSONText.pretty(set)
        case .html: page(set.candidates.joined(separator: ", "), .set(set))
        case .ndjson: try ResultText.ndjson(set)
        case .csv: ResultText.csv(set)
        case .hlog: ResultText.histogramLog(set)
        case .md: ResultText.markdown(set)
        case .hgrm, .prom: throw OneRunOnly(form: rawValue)
        }
    }

    private func page(_ name: String, _ content: ReportInput.Content) -> String {
        Report([ReportInput(name: name, content)], madeBy: "uring-bench \(toolVersion)").html
    }

    var holdsSeveralRuns: Bool { self != .hgrm && self != .prom }
}
