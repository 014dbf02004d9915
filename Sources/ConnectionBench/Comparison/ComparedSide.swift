// One side of `compare`: some result files as groups of runs, one group for each candidate.

/// The runs of one side.
public struct ComparedSide: Sendable {
    /// For people: the file, or the first of several.
    public let label: String
    /// The same without folders.
    var shortLabel: String {
        label.split(separator: " ", maxSplits: 1).enumerated().map { part, text in
            part == 0 ? String(text.split(separator: "/").last ?? text) : String(text)
        }.joined(separator: " ")
    }

    /// By candidate: a backend, or `base` and `new` of an earlier comparison.
    public var groups: [RunGroup] = []

    /// - Parameter list: paths, separated by commas.
    public init(reading list: String) throws(ResultFileError) {
        let paths = list.split(separator: ",").map(String.init)
        guard let first = paths.first else {
            throw ResultFileError(description: "'\(list)' names no file")
        }
        label = paths.count == 1 ? first : "\(first) and \(paths.count - 1) more"
        for path in paths {
            switch try ResultDecoder.load(path) {
            case .run(let result):
                add([result], to: result.layout?.backend.rawValue ?? "no backend")
            case .set(let set):
                for candidate in set.candidates { add(set.runs(of: candidate), to: candidate) }
            }
        }
        groups.removeAll { $0.runs.isEmpty }
        if groups.allSatisfy({ $0.steps.isEmpty }) {
            throw ResultFileError(
                description: "\(label): no step was reached and verified, so there is nothing to"
                    + " compare")
        }
    }

    init(label: String, groups: [RunGroup]) {
        self.label = label
        self.groups = groups
    }

    private mutating func add(_ results: [RunResult], to candidate: String) {
        let before = groups.first { $0.name == candidate }?.runs.map(\.result) ?? []
        groups.removeAll { $0.name == candidate }
        groups.append(RunGroup(name: candidate, results: before + results))
    }

    /// What differs among the runs of a group, which must be alike.
    public func unlikeWithin() -> [UnlikeFact] {
        groups.flatMap { group -> [UnlikeFact] in
            guard let first = group.runs.first?.result else { return [] }
            let environment = Environment(first)
            let unlike = group.runs.dropFirst().lazy
                .map { environment.differences(to: Environment($0.result)) }
                .first { !$0.isEmpty }
            return unlike ?? []
        }
    }
}

/// Two groups that are to be compared, and what is unlike about them.
public struct ComparedPair: Sendable {
    public let base: RunGroup
    public let new: RunGroup
    public let unlike: [UnlikeFact]

    /// Groups of the same candidate; where each side has one only, these two.
    public static func pairs(_ base: ComparedSide, _ new: ComparedSide) -> [ComparedPair] {
        let isShort = base.shortLabel != new.shortLabel
        let baseLabel = isShort ? base.shortLabel : base.label
        let newLabel = isShort ? new.shortLabel : new.label
        if base.groups.count == 1, new.groups.count == 1 {
            return [
                pair(base.groups[0], baseLabel, new.groups[0], newLabel, namesCandidate: false)
            ]
        }
        return base.groups.compactMap { group in
            new.groups.first { $0.name == group.name }.map {
                pair(group, baseLabel, $0, newLabel, namesCandidate: true)
            }
        }
    }

    private static func pair(
        _ base: RunGroup, _ baseLabel: String, _ new: RunGroup, _ newLabel: String,
        namesCandidate: Bool
    ) -> ComparedPair {
        var (one, other) = (base, new)
        one.name = baseLabel + (namesCandidate ? " (\(base.name))" : "")
        other.name = newLabel + (namesCandidate ? " (\(new.name))" : "")
        var unlike: [UnlikeFact] = []
        if let first = base.runs.first?.result, let second = new.runs.first?.result {
            unlike = Environment(first).differences(to: Environment(second))
        }
        return ComparedPair(base: one, new: other, unlike: unlike)
    }
}
