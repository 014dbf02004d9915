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
                for simulated in simulatedTraces(of: scenario.name, seed: seed) {
                    // Where io_uring is skipped, nothing stands beside its simulation.
                    guard let lines = report.lines[simulated.backend] else { continue }
                    if simulated.failure == nil, simulated.lines == lines { continue }
                    let wrong = zip(lines, simulated.lines).filter { $0.0 != $0.1 }
                    Issue.record(
                        """
                        SCENARIO="\(scenario.name)" SEED=\(seed): \(simulated.backend) differs over \
                        the simulated kernel. \(simulated.failure ?? "")
                        \(wrong.map { "  Linux:     \($0.0)\n  simulated: \($0.1)" }
                            .joined(separator: "\n"))
                        """)
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
            for stale in AllowedDifference.all where !used.contains(stale.name) {
                Issue.record(
                    "\(stale.name) no longer occurs; it was allowed because \(stale.reason)")
            }
        }
    }
}

/// Allowed differences that have occurred, and scenarios that have passed.
private let uses = Locked<Set<String>>([])
private let finished = Locked<Set<String>>([])

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
}

private func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}
