// One line of the charts: the runs of one backend, or of one file.

import ConnectionBench
import ConnectionEngine

struct Candidate {
    let name: String
    /// Colour and shape: a backend keeps its own in every report.
    var style: Int
    /// In the order in which they were made; at least one.
    let runs: [RunResult]
    /// The file that they are from.
    let source: String

    var first: RunResult { runs[0] }

    /// Connections of every step that some run has, ascending.
    var steps: [Int] { Array(Set(runs.flatMap { $0.steps.map(\.connections) })).sorted() }

    /// The runs' records of one step.
    func records(at connections: Int) -> [StepResult] {
        runs.compactMap { $0.steps.last { $0.connections == connections } }
    }

    /// The middle one by the time it spent connecting: a run that is shown for all.
    var typical: RunResult {
        let ordered = runs.filter { !($0.ramp?.points.isEmpty ?? true) }.sorted {
            ($0.ramp?.points.last?.seconds ?? 0) < ($1.ramp?.points.last?.seconds ?? 0)
        }
        return ordered.isEmpty ? first : ordered[(ordered.count - 1) / 2]
    }

    static func all(of inputs: [ReportInput]) -> [Candidate] {
        let runInputs = inputs.filter { if case .ports = $0.content { false } else { true } }
        var candidates: [Candidate] = []
        for input in runInputs {
            switch input.content {
            case .run(let result):
                let backend = Self.title(result.layout?.backend ?? result.plan.backend)
                let file =
                    input.name.hasSuffix(".json") ? String(input.name.dropLast(5)) : input.name
                candidates.append(
                    Candidate(
                        name: runInputs.count == 1 ? backend : file,
                        style: Self.style(result.layout?.backend), runs: [result],
                        source: input.name))
            case .set(let set):
                for name in set.candidates {
                    let runs = set.runs(of: name)
                    guard !runs.isEmpty else { continue }
                    let title = Self.name(ofSet: name)
                    candidates.append(
                        Candidate(
                            name: runInputs.count == 1 ? title : "\(input.name): \(title)",
                            style: Self.style(BackendKind(rawValue: name)), runs: runs,
                            source: input.name))
                }
            case .ports: break
            }
        }
        return withDistinctStyles(candidates)
    }

    static let styleCount = 8

    /// Two of the same backend must not look alike.
    private static func withDistinctStyles(_ candidates: [Candidate]) -> [Candidate] {
        var used: Set<Int> = []
        return candidates.map { candidate in
            var candidate = candidate
            if !used.insert(candidate.style).inserted {
                candidate.style = (0..<styleCount).first { !used.contains($0) } ?? candidate.style
                used.insert(candidate.style)
            }
            return candidate
        }
    }

    /// A set names its candidates by backend, or otherwise (`base` and `new`).
    static func name(ofSet name: String) -> String {
        BackendKind(rawValue: name).map { title($0) } ?? name
    }

    static func title(_ backend: BackendKind?) -> String {
        switch backend {
        case .uring: "io_uring"
        case .epoll: "epoll"
        case .threads: "threads"
        case nil: "no backend"
        }
    }

    static func style(_ backend: BackendKind?) -> Int {
        switch backend {
        case .uring: 0
        case .epoll: 1
        case .threads: 2
        case nil: 3
        }
    }
}
