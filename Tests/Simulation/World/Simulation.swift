// One simulation: two processes and their kernel, from a seed to the verdict.

struct SimulationOutcome {
    var seed: UInt64
    var violations: [String]
    var turns = 0
    var virtualSeconds = 0.0
    /// Equal for two runs of one seed.
    var trace: UInt64 = 0
    var faults = Faults.none
    /// A backend could not be made, as the n-th fault wanted.
    var wasUnfit = false
    var connections = 0
}

enum Simulation {
    static func run(seed: UInt64) -> SimulationOutcome {
        run(SimulationSettings(seed: seed))
    }

    static func run(_ settings: SimulationSettings) -> SimulationOutcome {
        let kernel = SimulatedKernel(
            processes: 2, faults: settings.faults,
            chance: SimulatedChance(seed: settings.seed &+ 99))
        kernel.delayMax = settings.delayMax
        kernel.window = settings.window
        kernel.splitsSends = settings.splitsSends
        SimulatedKernel.current = kernel
        defer {
            kernel.dismantle()
            SimulatedKernel.current = nil
        }
        var run = SimulatedRun(settings, kernel)
        return run.run()
    }
}

private struct SimulatedRun {
    let settings: SimulationSettings
    let kernel: SimulatedKernel
    let ledger = Ledger()
    var workers: [any ObservedProcess] = []
    var turns = 0
    var isDraining = false
    /// Owners of each buffer, counted anew each turn.
    private var owned = [UInt8](repeating: 0, count: 128)

    init(_ settings: SimulationSettings, _ kernel: SimulatedKernel) {
        self.settings = settings
        self.kernel = kernel
    }

    mutating func run() -> SimulationOutcome {
        var outcome = SimulationOutcome(seed: settings.seed, violations: [])
        do throws(SystemError) {
            for process in 0..<2 { workers.append(try makeWorker(process)) }
            for worker in workers {
                kernel.process = worker.process
                try worker.start()
            }
            try circle()
            ledger.checkEnds(disturbed: kernel.disturbedNumbers(from: clientAddress))
            checkEmpty()
        } catch {
            if kernel.faults.nthFired, turns == 0 {
                outcome.wasUnfit = true
            } else {
                ledger.violation("a backend became unusable: \(error)")
            }
        }
        for worker in workers {
            kernel.process = worker.process
            worker.end()
        }
        workers = []
        for process in 0..<2 { checkDescriptors(process) }
        outcome.violations = kernel.violations + ledger.violations
        outcome.turns = turns
        outcome.virtualSeconds = Double(kernel.clock) / 1e9
        outcome.trace = ledger.trace
        outcome.faults = kernel.faults
        outcome.connections = ledger.facts.count
        return outcome
    }

    // MARK: Making

    private func makeWorker(_ process: Int) throws(SystemError) -> any ObservedProcess {
        let isClient = process == 0
        kernel.process = process
        kernel.processes[process].limit = settings.descriptors
        var configuration = Configuration(
            backend: isClient ? settings.clientBackend : settings.serverBackend)
        configuration.limits = isClient ? settings.clientLimits : settings.serverLimits
        configuration.limits.backlog = settings.backlog
        configuration.idleMode = settings.idleMode
        configuration.maskedFeatures = settings.maskedFeatures
        configuration.reusesSourcePorts = settings.reusesSourcePorts
        let address = SocketAddress.loopback(port: 7_000)
        if !isClient { configuration.listen = [address] }
        let setup = try Engine.prepare(
            configuration,
            listeners: isClient
                ? [] : [kernel.listen(process, on: address, backlog: Int(settings.backlog))],
            descriptorLimit: settings.directLimit)
        let (settings, ledger) = (self.settings, self.ledger)
        let makePeer = { SimulatedPeer(isClient: isClient, settings, ledger, address) }
        if configuration.backend == .uring {
            return SimulatedWorker<URingBackend>(
                process: process, setup: setup, makeHandler: makePeer)
        }
        return SimulatedWorker<EpollBackend>(process: process, setup: setup, makeHandler: makePeer)
    }

    // MARK: Turning

    /// Turns the workers until everything has drained.
    private mutating func circle() throws(SystemError) {
        while true {
            if !isDraining, workers[0].isDone { beginDraining() }
            if !isDraining, turns >= settings.faultTurns {
                if settings.mustFinish { return ledger.violation("not finished: \(situation)") }
                beginDraining()
            }
            if isDrained { return }
            if turns > settings.faultTurns + 60_000 {
                return ledger.violation("not drained after \(turns) turns: \(situation)")
            }
            guard let process = kernel.nextProcess() else {
                if isDrained { return }
                return ledger.violation("stuck: \(situation)")
            }
            let worker = workers[process]
            turns += 1
            try kernel.turn(worker)
            checkBuffers(worker)
            checkCounters(worker)
            if !kernel.violations.isEmpty || !ledger.violations.isEmpty { return }
        }
    }

    private mutating func beginDraining() {
        isDraining = true
        kernel.faults.areOn = false
        ledger.isDraining = true
    }

    private var isDrained: Bool {
        isDraining && kernel.isQuiet && workers.allSatisfy { $0.isDone && !$0.hasOperations }
    }

    private var situation: String {
        workers.map(\.situation).joined(separator: " | ")
            + " | backlog \(kernel.listeners.map(\.backlog.count))"
    }

    // MARK: Invariants

    /// Every buffer has exactly one owner.
    private mutating func checkBuffers(_ worker: any ObservedProcess) {
        let count = Int(worker.setup.pool.count)
        for index in 0..<count { owned[index] = 0 }
        worker.forEachOwner { index, _ in owned[Int(index)] += 1 }
        guard let wrong = (0..<count).first(where: { owned[$0] != 1 }) else { return }
        var owners: [String] = []
        worker.forEachOwner { index, owner in
            if index == wrong { owners.append("\(owner)") }
        }
        ledger.violation(
            "buffer \(wrong) of process \(worker.process) belongs to"
                + " \(owners.isEmpty ? "nobody" : owners.joined(separator: " and to "))")
    }

    /// What was opened and not closed is what is held.
    private func checkCounters(_ worker: any ObservedProcess) {
        let counters = worker.counters
        let openCount = Int(worker.setup.table.openCount)
        if counters.completionsDropped > 0 { ledger.violation("completions were dropped") }
        if counters.acceptTableFull > 0 { ledger.violation("a client was lost to a full table") }
        if worker.liveCount < openCount {
            ledger.violation(
                "process \(worker.process): \(openCount) slots are taken for"
                    + " \(worker.liveCount) connections")
        }
    }

    /// At the end nothing is left in any table.
    private func checkEmpty() {
        if !kernel.violations.isEmpty || !ledger.violations.isEmpty { return }
        for worker in workers where worker.setup.table.openCount != 0 {
            ledger.violation(
                "process \(worker.process) ends with \(worker.setup.table.openCount) slots")
        }
        for ring in kernel.rings {
            if ring.slots.contains(where: { $0 != nil }) {
                ledger.violation("a direct slot is left")
            }
            for request in ring.requests where request.kind != .accept && request.kind != .wakeRead
            {
                ledger.violation("a request is left: \(request.kind)")
            }
        }
        let client = workers[0].counters
        let server = workers[1].counters
        if server.accepted > client.connected + UInt64(ledger.facts.count) {
            ledger.violation("more accepted than were opened")
        }
        if server.closed != server.accepted {
            ledger.violation("\(server.accepted) accepted, \(server.closed) closed")
        }
        if client.closed != UInt64(ledger.facts.count) {
            ledger.violation("\(ledger.facts.count) opened, \(client.closed) closed")
        }
    }

    /// Backends close what they opened; the listener is ours, the wake-up goes with the set-up.
    private func checkDescriptors(_ process: Int) {
        if !ledger.violations.isEmpty || !kernel.violations.isEmpty { return }
        let left = kernel.processes[process].files.compactMap { $0 }.filter {
            !($0 is SimulatedEventFD) && ($0 as? SimulatedSocket)?.state != .listening
        }
        if !left.isEmpty {
            ledger.violation("process \(process) leaves \(left.count) descriptors open")
        }
    }
}

extension SimulationSettings: CustomStringConvertible {
    /// One line for whoever replays a seed.
    var description: String {
        "client \(clientBackend), server \(serverBackend), idle \(idleMode),"
            + " without \(maskedFeatures.names), \(connections) connections, \(atOnce) at once,"
            + " delay \(delayMax), window \(window), client buffers \(clientLimits.buffers),"
            + " server buffers \(serverLimits.buffers)"
    }
}
