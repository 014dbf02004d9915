// All server and client processes of one run, and what is said to all of them together.

import CLinux
import ConnectionEngine
import Glibc

final class ProcessGroup {
    private let plan: RunPlan
    private let target: Int
    private let preflight: Preflight?
    private let sourcePorts: ClosedRange<UInt16>
    private var acceptLagPerListener: Int
    private let network: RunNetwork
    private let watch: RunWatch
    private let soak: SoakShape?
    private(set) var layout: RunLayout
    let board: Scoreboard
    private(set) var servers: [ChildProcess] = []
    private(set) var clients: [ChildProcess] = []
    private let workers: Int
    private let privileges: PrivilegeRule
    private var commandNumber = 0

    var children: [ChildProcess] { servers + clients }
    /// Workers of one side, all processes together.
    var workersPerSide: Int { layout.processesPerSide * workers }
    var serverRows: Range<Int> { 0..<workersPerSide }
    var clientRows: Range<Int> { workersPerSide..<2 * workersPerSide }
    var serverPids: [Int32] { servers.map(\.pid) }
    var clientPids: [Int32] { clients.map(\.pid) }

    init(
        _ plan: RunPlan, backend: BackendKind, target: Int, preflight: Preflight?,
        sourcePorts: ClosedRange<UInt16>, host: HostFacts, network: RunNetwork, watch: RunWatch,
        soak: SoakShape? = nil
    ) throws {
        self.soak = soak
        self.plan = plan
        self.target = target
        self.preflight = preflight
        self.sourcePorts = sourcePorts
        acceptLagPerListener = max(1, (host.somaxconn ?? 128) / 2)
        self.network = network
        self.watch = watch
        guard let processes = ProcessGroup.processes(for: target, plan, preflight) else {
            throw RunStop(
                .wall,
                "\(Count.format(target)) connections need more than"
                    + " \(Preflight.processesPerSideMax) processes per side", exitCode: 77)
        }
        let workers = plan.workers ?? ProcessGroup.workers(processes: processes)
        self.workers = workers
        // Unpinned, connection threads spread themselves; workers of the two event loops do
        // better where their peers' packets are.
        let pinning = plan.pinning ?? (backend == .threads ? .none : .spread)
        layout = RunLayout(
            backend: backend, processesPerSide: processes, workersPerProcess: workers,
            pinning: pinning)
        privileges = PrivilegeRule(
            try network.asServer {
                try PrivilegeRule.Question(
                    plan, host, backend: backend, target: target,
                    workersPerSide: processes * workers)
            })
        layout.privileges = privileges.record
        let lastPort = Int(plan.port) + processes * workers - 1
        if plan.port != 0, lastPort > Int(UInt16.max) {
            throw RunStop(
                .machineUnfit,
                "--port \(plan.port): each of the \(processes * workers) server"
                    + " workers takes one port, and they end at 65,535: give a lower one, or 0",
                exitCode: 64)
        }
        board = try Scoreboard(rowCount: 2 * processes * workers)
    }

    /// Workers of one process, so that all of a side make use of every processor.
    static func workers(processes: Int) -> Int {
        max(1, max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))) / processes)
    }

    /// A climb goes a little beyond what its processes hold, to meet their wall.
    private static func processes(
        for target: Int, _ plan: RunPlan, _ preflight: Preflight?
    ) -> Int? {
        guard let preflight else { return 1 }
        if let count = preflight.processesPerSide(for: target) { return count }
        let isMeant = plan.climbsToWall || plan.untilWall || plan.ignoresWalls
        return isMeant ? preflight.processesMax : nil
    }

    /// What the sampler looks at.
    var samplerTarget: HostSampler.Target? {
        guard let server = serverPids.first, let client = clientPids.first else { return nil }
        return HostSampler.Target(
            board: board, clientRows: clientRows, serverRows: serverRows,
            serverPids: serverPids, clientPids: clientPids, serverPid: server, clientPid: client,
            sharesNetwork: network.isShared)
    }

    // MARK: Starting

    func startServers() throws {
        // A little more than an even share: the workers' plans do not divide evenly.
        // And room for a whole accept queue, within which io_uring accepts one by one.
        let share =
            target / workersPerSide + target / (100 * workersPerSide) + workersPerSide + 64
            + 2 * Int(Limits().backlog)
        for index in 0..<layout.processesPerSide {
            let rows = index * workers..<(index + 1) * workers
            let child = try network.asServer {
                try ChildProcess(name: "server \(index)", rows: rows, scoreboard: board)
            }
            servers.append(child)
            if self.plan.climbsToWall { child.yieldToOthers() }
            let listen = (0..<workers).map { worker in
                let port = plan.port == 0 ? 0 : plan.port + UInt16(index * workers + worker)
                return network.listeningAddress(port: port).description
            }
            try child.send(.server(setup(rows, side: 0, connections: share), listen: listen))
        }
        for child in servers {
            guard case .ready(let listening, let backlog) = try answer(of: child, seconds: 30)
            else { continue }
            layout.listening += listening
            // Half of what the queues hold: the workers look at the lag one after another.
            acceptLagPerListener = min(acceptLagPerListener, max(1, backlog / 2))
        }
        layout.serverProcesses = serverPids
    }

    func startClients() throws {
        // Spare tuples stand in for those whose source port turns out to be taken.
        var connections = target + max(1_000, target / 50)
        let replacements =
            soak?.replacements(workers: workersPerSide)
            ?? self.plan.load.replacements(of: target, workers: workersPerSide)
        if self.plan.sourcePorts == .planned {
            let capacity = preflight?.portCapacity ?? .max
            guard replacements == 0 || target + replacements <= capacity else {
                throw tooFewTuples(target, replacements, capacity)
            }
            connections = min(connections, capacity - replacements)
        }
        // A replacement connects before its forerunner has ended.
        let slots = replacements > 0 ? target + max(1_000, target / 50) : connections
        let plan = PlanSetup(
            connections: connections + replacements, seed: self.plan.seed,
            portFirst: sourcePorts.lowerBound, portLast: sourcePorts.upperBound,
            excludedPorts: Array(try network.asClient { try ListeningPorts.read() }),
            addressesMax: self.plan.sourceAddresses, network: network.sources,
            destinations: layout.listening, part: 0, parts: layout.processesPerSide)
        var settings = LoadSettings()
        settings.messageByteCount = self.plan.messageByteCount
        settings.shape = self.plan.load
        settings.seed = self.plan.seed
        settings.workersAreThreads = layout.backend != .threads
        settings.connectWindow = max(1, self.plan.connectWindow / workersPerSide)
        settings.connectsPerSecond = self.plan.connectsPerSecond.map { $0 / Double(workersPerSide) }
        settings.sweepWindow = max(1, 256 / workersPerSide)
        settings.acceptLagMax =
            self.plan.pacesAccepts
            ? max(acceptLagPerListener * layout.listening.count, workersPerSide) : nil
        if layout.backend == .threads, self.plan.pacesAccepts {
            // Both sides take from the same threads: none shall be far ahead at their end.
            settings.acceptLagMax = 2 * layout.listening.count
        }
        settings.sourcePorts = self.plan.sourcePorts
        settings.failuresMax = max(10, 1_000 / workersPerSide)
        let share = slots / workersPerSide + 1
        for index in 0..<layout.processesPerSide {
            let first = workersPerSide + index * workers
            let rows = first..<first + workers
            let child = try network.asClient {
                try ChildProcess(name: "client \(index)", rows: rows, scoreboard: board)
            }
            clients.append(child)
            if self.plan.climbsToWall { child.yieldToOthers() }
            var part = plan
            part.part = index
            try child.send(.client(setup(rows, side: 1, connections: share), part, settings))
        }
        for child in clients { _ = try answer(of: child, seconds: 30) }
        layout.clientProcesses = clientPids
        layout.fallbacks = try counters().fallbacks.sorted()
    }

    /// A tuple is used once: a fresh connection is never refused for what its forerunner has left.
    private func tooFewTuples(_ target: Int, _ replacements: Int, _ capacity: Int) -> RunStop {
        RunStop(
            .wall,
            "\(Count.format(target)) connections and \(Count.format(replacements)) more for --churn"
                + " and --storm need as many source addresses with a port, there are"
                + " \(Count.format(capacity)): give more --sources or --source-ports, a lower"
                + " --churn or fewer --churn-seconds", exitCode: 77)
    }

    private func setup(_ rows: Range<Int>, side: Int, connections: Int) -> EngineSetup {
        let processors = max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN)))
        let pinned: [UInt32] = rows.map { row in
            let worker = row % workersPerSide
            switch layout.pinning {
            case .none: return 0
            case .spread: return UInt32(worker % processors)
            case .split:
                let half = max(1, processors / 2)
                return UInt32((side * half + worker % half) % processors)
            }
        }
        var setup = EngineSetup(plan, layout.backend, workers: workers, connections: connections)
        setup.processors = layout.pinning == .none ? [] : pinned
        setup.firstRow = rows.lowerBound
        setup.rowCount = board.rowCount
        setup.privileges = side == 0 ? privileges.server : privileges.client
        setup.measuresLag = side == 0 && soak != nil
        return setup
    }

    // MARK: Talking

    private func answer(of child: ChildProcess, seconds: Double) throws -> ChildMessage {
        let deadline = MonotonicTime.now.advanced(byNanoseconds: UInt64(seconds * 1e9))
        while MonotonicTime.now < deadline {
            do {
                if let message = try child.receive(milliseconds: 50) { return message }
            } catch {
                if error.wasKilled { throw error }
                // Asked before the first connection: what it reports is the machine's refusal.
                throw RunStop(.machineUnfit, "\(error)", exitCode: 1)
            }
            try watch.check([])
        }
        throw RunStop(.stalled, "\(child.name) did not answer in \(seconds) s", exitCode: 1)
    }

    /// Gives every client worker its command and waits until all are done. Clients that have ended
    /// are left out; whether that is allowed is the watch's decision.
    ///
    /// - Parameters:
    ///   - tick: called up to 500 times a second; throws to give up.
    func load(
        _ command: (_ worker: Int) -> LoadCommand, tick: () throws -> Void
    ) throws -> [LoadReport] {
        commandNumber += 1
        try watch.check(children)
        var waiting: [ChildProcess] = []
        for (index, client) in clients.enumerated() where !client.hasEnded {
            let commands = (0..<workers).map { command(index * workers + $0) }
            try client.send(.load(number: commandNumber, commands))
            waiting.append(client)
        }
        var reports: [LoadReport] = []
        while !waiting.isEmpty {
            watch.sleep(milliseconds: waiting.count > 8 ? 10 : 2)
            try watch.check(children)
            var stillWaiting: [ChildProcess] = []
            // One that has ended is named by the next check.
            for client in waiting where !client.hasEnded {
                if case .loaded(commandNumber, let some)? = try client.receive(milliseconds: 0) {
                    reports += some
                } else {
                    stillWaiting.append(client)
                }
            }
            waiting = stillWaiting
            try tick()
        }
        try watch.check(children)
        return reports
    }

    /// What all engines did so far, and what they do without.
    struct CounterSums {
        var server = Counters()
        var client = Counters()
        var fallbacks: Set<String> = []
        /// Names of the processes that could not be asked any more.
        var missing: [String] = []
    }

    /// - Throws: ``RunStop`` when a process does not answer, or has failed. In the teardown it is
    ///   among the `missing` instead.
    func counters() throws -> CounterSums {
        var sums = CounterSums()
        // All are asked first, for each takes some time. One that cannot be asked has ended, which
        // the waiting for its answer finds.
        for child in children { try? child.send(.counters) }
        for (index, child) in children.enumerated() {
            do {
                let (counters, fallbacks) = try self.counters(of: child)
                if index < servers.count {
                    sums.server += counters
                } else {
                    sums.client += counters
                }
                sums.fallbacks.formUnion(fallbacks)
            } catch {
                guard watch.isEnding else { throw error }
                sums.missing.append(child.name)
            }
        }
        return sums
    }

    private func counters(of child: ChildProcess) throws -> (Counters, fallbacks: [String]) {
        while true {
            // The answer to a command that was given up may come before it.
            if case .counters(let counters, let fallbacks) = try answer(of: child, seconds: 10) {
                return (counters, fallbacks)
            }
        }
    }

    /// Connections of the servers that live; the others' are gone with them.
    var serverConnections: Int {
        servers.filter { !$0.hasEnded }.reduce(0) { $0 + board.sum(.open, rows: $1.rows) }
    }

    /// Ends all processes, in order where they let themselves be asked.
    ///
    /// - Returns: how many had to be killed.
    func end(seconds: Double) -> Int {
        for child in children { child.finish() }
        let deadline = MonotonicTime.now.advanced(byNanoseconds: UInt64(seconds * 1e9))
        return children.count { child in
            child.waitForEnd(until: deadline) { watch.wasInterruptedTwice }
        }
    }
}
