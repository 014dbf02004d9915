// The same scenarios over the simulated kernel; no engine is named here, since that module has one of
// its own with the same names.

// Left out under the thread sanitizer (Package.swift).
#if canImport(Simulation)
    import Simulation
#endif

/// Traces of a scenario on each simulated backend, with what went wrong there.
func simulatedTraces(
    of scenario: String, seed: UInt64
) -> [(backend: String, lines: [String], failure: String?)] {
    #if canImport(Simulation)
        return SimulatedScenarios.backends.map { backend in
            let (lines, failure) = SimulatedScenarios.traces(
                of: scenario, seed: seed, backend: backend)
            return (backend, lines, failure)
        }
    #else
        return []
    #endif
}
