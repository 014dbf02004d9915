// All server and client processes of one run, and what is said to all of them together.

import CLinux
import ConnectionEngine
import Glibc

final class ProcessGroup {
    private let plan: RunPlan
    private let target: Int
    private let watch: RunWatch
    private(set) var layout: RunLayout
    let board: Scoreboard
    private(set) var servers: [ChildProcess] = []
    private(set) var clients: [ChildProcess] = []
    private let workers: Int

    var children: [ChildProcess] { servers + clients }
    /// Workers of one side, all processes together.
    var workersPerSide: Int { layout.processesPerSide * workers }
    var serverRows: Range<Int> { 0..<workersPerSide }
    var clientRows: Range<Int> { workersPerSide..<2 * workersPerSide }
    var serverPids: [Int32] { servers.map(\.pid) }
    var clientPids: [Int32] { clients.map(\.pid) }

    init(
        _ plan: RunPlan, backend: BackendKind, target: Int, preflight: Preflight?,
        watch: RunWatch
    ) throws {
        self.plan = plan
        self.target = target
        self.watch = watch
        guard let processes = preflight?.processesPerSide(for: target) else {
            throw RunStop(
                .wall, "\(Count.format(target)) connections need more than"
                    + " \(Preflight.processesPerSideMax) processes per side", exitCode: 77)
        }
        let processors = max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN)))
        workers = plan.workers ?? max(1, processors / processes)
        // Unpinned, connection threads spread themselves; workers of the two event loops do
        // better where their peers' packets are.
        let pinning = plan.pinning ?? (backend == .threads ? .none : .spread)
        layout = RunLayout(
            backend: backend, processesPerSide: processes, workersPerProcess: workers,
            pinning: pinning)
        board = try Scoreboard(rowCount: 2 * processes * workers)
    }

    // MARK: Starting

    func startServers() throws {
        // A little more than an even share: the workers' plans do not divide evenly.
        let share = target / workersPerSide + target / (100 * workersPerSide) + workersPerSide + 64
        for index in 0..<layout.processesPerSide {
            let rows = index * workers..<(index + 1) * workers
            let child = try ChildProcess(name: "server \(index)", rows: rows, scoreboard: board)
            servers.append(child)
            let listen = (0..<workers).map { worker in
                let port = plan.port == 0 ? 0 : plan.port &+ UInt16(index * workers + worker)
                return SocketAddress.loopback(port: port).description
            }
            try child.send(.server(setup(rows, side: 0, connections: share), listen: listen))
        }
        for child in servers {
            guard case .ready(let listening) = try answer(of: child, seconds: 30) else { continue }
            layout.listening += listening
        }
        layout.serverProcesses = serverPids
    }

    func startClients() throws {
        // Spare tuples stand in for those whose source port turns out to be taken.
        let connections = target + max(1_000, target / 50)
        let plan = PlanSetup(
            connections: connections, seed: self.plan.seed,
            excludedPorts: Array(try ListeningPorts.read()), destinations: layout.listening,
            part: 0, parts: layout.processesPerSide)
        var settings = LoadSettings()
        settings.messageByteCount = self.plan.messageByteCount
        settings.connectWindow = max(1, self.plan.connectWindow / workersPerSide)
        settings.connectsPerSecond = self.plan.connectsPerSecond.map { $0 / Double(workersPerSide) }
        settings.sweepWindow = max(1, 256 / workersPerSide)
        settings.failuresMax = max(10, 1_000 / workersPerSide)
        let share = connections / workersPerSide + 1
        for index in 0..<layout.processesPerSide {
            let first = workersPerSide + index * workers
            let rows = first..<first + workers
            let child = try ChildProcess(name: "client \(index)", rows: rows, scoreboard: board)
            clients.append(child)
            var part = plan
            part.part = index
            try child.send(.client(setup(rows, side: 1, connections: share), part, settings))
        }
        for child in clients { _ = try answer(of: child, seconds: 30) }
        layout.clientProcesses = clientPids
        layout.fallbacks = try counters().fallbacks
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
        let masked = URingFeatures.all.names.enumerated()
            .filter { plan.maskedFeatures.contains($0.element) }
            .reduce(UInt32(0)) { $0 | 1 << UInt32($1.offset) }
        return EngineSetup(
            backend: layout.backend, workers: workers, connectionsPerWorker: connections,
            bufferByteCount: plan.bufferByteCount, buffersPerWorker: 4_096,
            idleMode: plan.idleMode, processors: layout.pinning == .none ? [] : pinned,
            maskedFeatures: masked, firstRow: rows.lowerBound, rowCount: board.rowCount)
    }

    // MARK: Talking

    private func answer(of child: ChildProcess, seconds: Double) throws -> ChildMessage {
        let deadline = MonotonicTime.now.advanced(byNanoseconds: UInt64(seconds * 1e9))
        while MonotonicTime.now < deadline {
            do {
                if let message = try child.receive(milliseconds: 50) { return message }
            } catch {
                // Before the first connection every end is the machine's refusal.
                throw RunStop(.machineUnfit, "\(error)", exitCode: 1)
            }
            try watch.check([])
        }
        throw RunStop(.stalled, "\(child.name) did not answer in \(seconds) s", exitCode: 1)
    }

    /// Gives every client worker its command and waits until all are done.
    ///
    /// - Parameters:
    ///   - tick: called about 100 times a second; throws to give up.
    func load(
        _ command: (_ worker: Int) -> LoadCommand, tick: () throws -> Void
    ) throws -> [LoadReport] {
        for (index, client) in clients.enumerated() {
            try client.send(
                .load((0..<workers).map { command(index * workers + $0) }))
        }
        var reports: [LoadReport] = []
        var waiting = clients
        while !waiting.isEmpty {
            // The scoreboard says who has news, without a system call per child.
            watch.sleep(milliseconds: waiting.count > 8 ? 10 : 2)
            try watch.check(children)
            var stillWaiting: [ChildProcess] = []
            for client in waiting {
                if case .loaded(let some)? = try client.receive(milliseconds: 0) {
                    reports += some
                } else {
                    stillWaiting.append(client)
                }
            }
            waiting = stillWaiting
            try tick()
        }
        return reports
    }

    /// What all engines did so far: servers, clients, and what they do without.
    func counters() throws -> (server: Counters, client: Counters, fallbacks: [String]) {
        var sums = (server: Counters(), client: Counters(), fallbacks: Set<String>())
        for (index, child) in children.enumerated() {
            try child.send(.counters)
            guard case .counters(let counters, let fallbacks) = try answer(of: child, seconds: 10)
            else { continue }
            if index < servers.count { sums.server += counters } else { sums.client += counters }
            sums.fallbacks.formUnion(fallbacks)
        }
        return (sums.server, sums.client, sums.fallbacks.sorted())
    }

    /// Ends all processes, in order where they let themselves be asked.
    ///
    /// - Returns: how many had to be killed.
    func end(seconds: Double) -> Int {
        for child in children { child.finish() }
        let deadline = MonotonicTime.now.advanced(byNanoseconds: UInt64(seconds * 1e9))
        return children.count { child in
            child.waitForEnd(seconds: max(0, deadline.seconds(since: .now)))
        }
    }
}
