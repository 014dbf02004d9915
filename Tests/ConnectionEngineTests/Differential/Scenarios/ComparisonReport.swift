// Performs a scenario on several places and says what differs, with all that is needed to see it
// again.

#if !SIMULATION
    import ConnectionEngine
#endif

/// What the comparison of one scenario with one seed has shown.
struct ComparisonReport {
    var allowed: Set<String> = []
    var failure: String?
    /// What each place has; they differ only as is allowed.
    var lines: [String: [String]] = [:]
}

/// Performs a scenario on all places and compares each with the first.
func compare(
    _ scenario: Scenario, seed: UInt64, on places: [some Place]
) throws -> ComparisonReport {
    var report = ComparisonReport()
    var first: (name: String, outcome: Outcome)?
    for place in places {
        let outcome = try run(scenario, seed: seed, on: place)
        if outcome.isStuck || !outcome.violations.isEmpty {
            report.failure = scenario.failure(
                seed, outcome.isStuck ? "stuck on \(place)" : "broken promises on \(place)",
                outcome.violations, [("\(place)", outcome)] + (first.map { [$0] } ?? []))
            return report
        }
        report.lines["\(place)"] = scenario.lines(outcome)
        guard let first else {
            first = ("\(place)", outcome)
            continue
        }
        var unexplained: [String] = []
        for difference in scenario.differences(first.outcome, outcome) {
            let allowed = AllowedDifference.all.first {
                $0.covers(difference, in: scenario, first.name, "\(place)")
            }
            if let allowed {
                report.allowed.insert(allowed.name)
            } else {
                unexplained.append(difference.description(first.name, "\(place)"))
            }
        }
        if !unexplained.isEmpty {
            report.failure = scenario.failure(
                seed, "\(first.name) and \(place) differ", unexplained,
                [first, ("\(place)", outcome)])
            return report
        }
    }
    return report
}

extension Scenario {
    /// A failure with all that is needed to see it again.
    func failure(
        _ seed: UInt64, _ what: String, _ details: [String], _ outcomes: [(String, Outcome)]
    ) -> String {
        let performance = Performance(self, seed: seed)
        var lines = ["\(what): SCENARIO=\"\(name)\" SEED=\(seed)"] + details
        lines.append("\(performance.setting)")
        for (number, scripts) in performance.scripts.enumerated() {
            lines.append("connection \(number): \(scripts)")
            for side in Side.allCases {
                for (place, outcome) in outcomes {
                    let trace = outcome.traces[side, default: []][number]
                    lines.append("  \(side) on \(place): \(trace)")
                }
            }
        }
        for side in Side.allCases {
            for (place, outcome) in outcomes {
                let counts = Counters.fields.compactMap { name, path -> String? in
                    guard let count = outcome.counters[side]?[keyPath: path] else { return nil }
                    return count == 0 ? nil : "\(name) \(count)"
                }
                lines.append("\(side) on \(place): " + counts.joined(separator: ", "))
            }
        }
        return lines.joined(separator: "\n")
    }
}
