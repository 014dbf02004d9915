// Scenarios over the simulated kernel: the fourth place beside the three backends on Linux.

import Glibc

/// Two workers of one backend over one simulated kernel, without faults.
private struct SimulatedPlace: Place {
    let backend: BackendKind
    var description: String { "\(backend.rawValue), simulated" }

    func perform(
        _ performance: Performance, _ meeting: Meeting
    ) throws -> (counters: [Side: Counters], isStuck: Bool) {
        let kernel = SimulatedKernel(
            processes: 2, faults: .none,
            chance: SimulatedChance(seed: performance.seed))
        // As much as Linux lets two sockets of the loopback interface hold between them.
        kernel.window = 2_600_000
        SimulatedKernel.current = kernel
        defer {
            kernel.dismantle()
            SimulatedKernel.current = nil
        }
        var workers: [any TurnedProcess] = []
        defer {
            for worker in workers {
                kernel.process = worker.process
                worker.end()
            }
        }
        for side in [Side.client, .server] {
            workers.append(try worker(side, performance, meeting, kernel))
        }
        for worker in workers {
            kernel.process = worker.process
            try worker.start()
        }
        let isStuck = try turn(workers, kernel, until: meeting)
        if !kernel.violations.isEmpty {
            for violation in kernel.violations { meeting.violate(violation) }
        }
        return (
            [.client: workers[0].counters, .server: workers[1].counters], isStuck
        )
    }

    func buffersHeldBack(_ side: Side, _ setting: Setting) -> Int {
        backend == .uring && setting.idleMode != .poll
            ? 2 * Int(setting.limits(of: side).ringBuffers) : 0
    }

    private func worker(
        _ side: Side, _ performance: Performance, _ meeting: Meeting, _ kernel: SimulatedKernel
    ) throws(SystemError) -> any TurnedProcess {
        let setting = performance.setting
        let process = side == .client ? 0 : 1
        kernel.process = process
        kernel.processes[process].limit = 4_096
        var configuration = Configuration(backend: backend)
        configuration.limits = setting.limits(of: side)
        configuration.idleMode = setting.idleMode
        configuration.maskedFeatures = setting.masked
        let addresses = (0..<performance.scenario.listeners).map {
            SocketAddress.loopback(port: 7_000 + UInt16($0))
        }
        var listeners: [CInt] = []
        if side == .server {
            configuration.listen = addresses
            listeners = addresses.map {
                kernel.listen(process, on: $0, backlog: Int(setting.server.backlog))
            }
        }
        let setup = try Engine.prepare(
            configuration, listeners: listeners, descriptorLimit: 20_000)
        let target =
            performance.scenario.target == .server ? addresses : [.loopback(port: 6_999)]
        let source =
            setting.hasSource && !setting.isIPv6 ? SocketAddress(ipv4: 0x7f01_0001, port: 0) : nil
        let makeHandler = {
            side == .server
                ? ScriptHandler(.server, performance, meeting)
                : ScriptHandler(
                    .client, performance, meeting, destinations: target, source: source)
        }
        if backend == .uring {
            return TurnedWorker<URingBackend, ScriptHandler>(
                process: process, setup: setup, makeHandler: makeHandler)
        }
        return TurnedWorker<EpollBackend, ScriptHandler>(
            process: process, setup: setup, makeHandler: makeHandler)
    }

    /// - Returns: whether nothing more would have happened before the scripts were over.
    private func turn(
        _ workers: [any TurnedProcess], _ kernel: SimulatedKernel, until meeting: Meeting
    ) throws -> Bool {
        var turns = 0
        // A little longer, so that what must not come has its chance to come.
        var aftermath = 50
        while aftermath > 0 {
            if meeting.isDone { aftermath -= 1 }
            turns += 1
            if turns > 200_000 { return true }
            guard let process = kernel.nextProcess() else { return !meeting.isDone }
            try kernel.turn(workers[process])
        }
        return false
    }
}

/// For tests of the engine itself, whose module has types of the same names: words only.
public enum SimulatedScenarios {
    public static let backends = ["uring", "epoll"]

    /// The normalised traces of both sides, a line for each connection; or what went wrong.
    public static func traces(
        of name: String, seed: UInt64, backend: String
    ) -> (lines: [String], failure: String?) {
        guard let scenario = Scenario.all.first(where: { $0.name == name }),
            let backend = BackendKind(rawValue: backend)
        else { return ([], "no scenario \(name), or no backend \(backend)") }
        do {
            let outcome = try run(scenario, seed: seed, on: SimulatedPlace(backend: backend))
            let lines = scenario.lines(outcome)
            if outcome.isStuck { return (lines, "stuck") }
            return (lines, outcome.violations.first)
        } catch {
            return ([], "\(error)")
        }
    }
}
