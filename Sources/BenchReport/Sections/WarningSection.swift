// What spoils or explains the results, and what to do about it.

import ConnectionBench

enum WarningSection {
    static func section(_ inputs: [ReportInput], _ candidates: [Candidate]) -> SectionModel {
        var warnings: [(warning: RunWarning, name: String)] = []
        for candidate in candidates {
            for (index, run) in candidate.runs.enumerated() {
                let round = candidate.runs.count > 1 ? ", run \(index + 1)" : ""
                warnings += run.warnings.map { ($0, candidate.name + round) }
            }
        }
        for input in inputs {
            switch input.content {
            case .run: break
            case .set(let set): warnings += set.warnings.map { ($0, input.name) }
            case .ports(let story): warnings += story.warnings.map { ($0, input.name) }
            }
        }
        var section = SectionModel(anchor: "warnings", heading: "Warnings")
        guard !warnings.isEmpty else {
            section.paragraphs = ["None: nothing was seen that would spoil the figures."]
            return section
        }
        // The same in several runs is said once.
        var order: [RunWarning] = []
        var concerned: [RunWarning: [String]] = [:]
        for (warning, name) in warnings {
            if concerned[warning] == nil { order.append(warning) }
            concerned[warning, default: []].append(name)
        }
        let isOne = inputs.count == 1 && candidates.reduce(0) { $0 + $1.runs.count } <= 1
        section.alerts = order.map { warning in
            AlertModel(
                code: warning.id,
                message: Headline.withStop(Headline.capitalized(warning.message)),
                advice: WarningAdvice.text(warning.id),
                concerns: isOne ? nil : concerned[warning]?.joined(separator: "; "))
        }
        return section
    }
}
