// The same scenarios over the simulated kernel; no engine is named here, since that module has one of
// its own with the same names.

import Simulation

/// Traces of a scenario on each simulated backend, with what went wrong there.
func simulatedTraces(
    of scenario: String, seed: UInt64
) -> [(backend: String, lines: [String], failure: String?)] {
    SimulatedScenarios.backends.map { backend in
        let (lines, failure) = SimulatedScenarios.traces(
            of: scenario, seed: seed, backend: backend)
        return (backend, lines, failure)
    }
}
