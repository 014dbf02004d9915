// The backends of one run command as candidates that take turns with the same plan.

import ConnectionEngine

/// Why a set of runs is not begun.
public struct TurnRefusal: Error, CustomStringConvertible {
    public let description: String
    public let exitCode: Int32
}

public enum BackendTurns {
    /// - Parameters:
    ///   - backends: `nil` is io_uring, or epoll where that is unavailable.
    ///   - plan: of each run; its seed is that of the first.
    ///   - observers: hear of every run that counts, one after another.
    /// - Throws: a ``TurnRefusal`` when a backend cannot do what the others can.
    public static func candidates(
        _ backends: [BackendKind?], plan: RunPlan, tool: ToolFacts, commandLine: [String],
        progress: RunProgress, observers: [any RunObserver] = []
    ) throws -> [TurnCandidate] {
        try backends.map { backend in
            var plan = plan
            plan.backend = backend
            let kind = try resolve(backend)
            if !plan.raisesLimits, !plan.ignoresWalls {
                try checkReach(kind, plan, others: backends.count > 1)
            }
            return TurnCandidate(name: kind.rawValue) { number, _ in
                let run = try Run(
                    plan: Self.plan(plan, number: number), tool: tool, commandLine: commandLine,
                    progress: progress, observers: number == 0 ? [] : observers)
                return run.perform()
            }
        }
    }

    private static func resolve(_ backend: BackendKind?) throws(TurnRefusal) -> BackendKind {
        if let backend, backend != .uring { return backend }
        do throws(SystemError) {
            try URingTrial.run()
            return .uring
        } catch {
            guard backend == .uring else { return .epoll }
            throw TurnRefusal(description: "\(error); or --backend epoll,threads", exitCode: 69)
        }
    }

    /// All must reach N: a comparison at different numbers of connections is none.
    private static func checkReach(
        _ backend: BackendKind, _ plan: RunPlan, others: Bool
    ) throws {
        let network = try RunNetwork(plan, connections: plan.connections)
        let preflight = try network.asClient {
            try Preflight.read(
                plan, facts: HostFacts.read(), backend: backend,
                workers: plan.workers ?? ProcessGroup.workers(processes: plan.processes ?? 1),
                sources: network.sources, calibration: nil)
        }
        guard let refusal = preflight.refusals(for: plan.connections).first else { return }
        let safe = preflight.binding.connectionsSafe
        let way =
            others
            ? "; all backends must reach the same number: --conns \(safe) is within reach of"
                + " \(backend.rawValue), or leave it out of --backend"
            : "; --conns \(safe) is within reach"
        throw TurnRefusal(description: refusal + way, exitCode: 77)
    }

    /// Each run has source addresses of its own, which no TIME_WAIT of the one before holds. The
    /// run that warms up only connects.
    private static func plan(_ plan: RunPlan, number: Int) -> RunPlan {
        var plan = plan
        plan.seed = plan.seed &+ UInt64(number)
        if number == 0 {
            plan.steps = [plan.connections]
            plan.probeSeconds = 0
            plan.holdSeconds = 0
            plan.sweeps = false
        }
        return plan
    }
}
