// The backends do not differ: each scenario gives the same traces on all of them.

import ConnectionEngine
import Glibc
import Testing

extension Contract {
    /// `SCENARIO=part of a name`, `SEED=7` and `SEEDS=200` choose what is run.
    @Suite("the backends do not differ") struct Differential {
        @Test("the same scenario gives the same traces", arguments: Scenario.chosen)
        func same(scenario: Scenario) throws {
            let places = BackendKind.tested.map { EnginePlace(backend: $0) }
            for seed in scenario.chosenSeeds {
                let report = try compare(scenario, seed: seed, on: places)
                uses.withLock { $0.formUnion(report.allowed) }
                if let failure = report.failure {
                    // One seed says what is wrong; the others would say it again.
                    Issue.record("\(failure)")
                    return
                }
            }
            finished.withLock { _ = $0.insert(scenario.name) }
        }

        @Test("there are 60 scenarios, each with a name of its own")
        func count() {
            #expect(Scenario.all.count >= 60)
            #expect(Set(Scenario.all.map(\.name)).count == Scenario.all.count)
        }

        @Test("every allowed difference still occurs")
        func noStaleAllowance() {
            // Only the whole run says so.
            guard finished.withLock({ $0.count }) == Scenario.all.count, !mustSkipURing else {
                return
            }
            let used = uses.withLock { $0 }
            #expect(AllowedDifference.all.map(\.name).filter { !used.contains($0) } == [])
        }
    }
}

/// Allowed differences that have occurred, and scenarios that have passed.
private let uses = Locked<Set<String>>([])
private let finished = Locked<Set<String>>([])

/// What the comparison of one scenario with one seed has shown.
struct ComparisonReport {
    var allowed: Set<String> = []
    var failure: String?
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
    static var chosen: [Scenario] {
        guard let wanted = environment("SCENARIO") else { return all }
        return all.filter { $0.name.contains(wanted) }
    }

    var chosenSeeds: [UInt64] {
        if let seed = environment("SEED").flatMap({ UInt64($0) }) { return [seed] }
        let count = environment("SEEDS").flatMap { UInt64($0) } ?? UInt64(seeds)
        return Array(1...max(count, 1))
    }

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

private func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}
