// The life of a child process: take the set-up, give root up, run an engine, do commands, end with the parent.

import CLinux
import ConnectionEngine
import Glibc

/// The entry point of a server or client process.
///
/// The parent hands over the control channel as descriptor 3 and the scoreboard as descriptor 4.
public enum ChildMain {
    static let controlFD: CInt = 3
    static let scoreboardFD: CInt = 4

    /// - Returns: the exit code.
    public static func run() -> CInt {
        // Ctrl-C, timeout(1) and a closing terminal reach the whole group; only the parent decides
        // what it means.
        for ignored in [SIGINT, SIGTERM, SIGHUP] { signal(ignored, SIG_IGN) }
        signal(SIGPIPE, SIG_IGN)
        // Whatever ends the parent ends the child: nothing may be left behind.
        _ = CLinux_set_parent_death_signal(SIGKILL)
        let parent = getppid()
        guard parent != 1 else { return 1 }
        let channel = ControlChannel(fd: controlFD)
        do {
            switch try channel.receive(ParentMessage.self, milliseconds: 60_000) {
            case .server(let setup, let listen):
                guard try dropPrivileges(setup, parent: parent) else { return 1 }
                try serve(setup, listen, channel)
            case .client(let setup, let plan, let settings):
                guard try dropPrivileges(setup, parent: parent) else { return 1 }
                try load(setup, plan, settings, channel)
            case .load, .counters, .finish, nil:
                return 1
            }
            return 0
        } catch let error as ControlError where error == .closed {
            // The parent has ended; there is nobody to tell.
            return 1
        } catch {
            try? channel.send(ChildMessage.failed("\(error)"))
            return 1
        }
    }

    /// - Returns: whether the parent still lives; for a moment no signal would have told of its end.
    private static func dropPrivileges(
        _ setup: EngineSetup, parent: pid_t
    ) throws(SystemError) -> Bool {
        try setup.privileges?.apply()
        return getppid() == parent
    }

    private static func serve(
        _ setup: EngineSetup, _ listen: [String], _ channel: ControlChannel
    ) throws {
        let board = try Scoreboard(fd: scoreboardFD, rowCount: setup.rowCount)
        let addresses = listen.compactMap { SocketAddress($0) }
        let engine = try Engine(setup.configuration(listen: addresses)) { worker in
            EchoServerHandler(
                row: board.row(setup.firstRow + worker), shape: setup.serverShape,
                quietLimits: setup.quietLimits, measuresLag: setup.measuresLag)
        }
        try channel.send(
            ChildMessage.ready(
                listening: engine.listeningAddresses.map(\.description),
                backlog: Int(engine.backlog)))
        try obey(channel, engine, mailboxes: [], rows: [])
    }

    private static func load(
        _ setup: EngineSetup, _ planSetup: PlanSetup, _ settings: LoadSettings,
        _ channel: ControlChannel
    ) throws {
        let board = try Scoreboard(fd: scoreboardFD, rowCount: setup.rowCount)
        let plan = try TuplePlan(
            connections: planSetup.connections,
            sources: SourceRange(
                seed: planSetup.seed, ports: planSetup.portFirst...planSetup.portLast,
                excluding: Set(planSetup.excludedPorts), addressesMax: planSetup.addressesMax,
                network: planSetup.network),
            destinations: planSetup.destinations.compactMap { SocketAddress($0) }
        ).slice(planSetup.part, of: planSetup.parts)
        // A request would be sent 50 µs after it was due on epoll and threads, and not on io_uring,
        // whose timeouts have no slack; inherited by the workers.
        let slack = CLinux_set_timer_slack(1)
        if slack < 0 { throw SystemError(Errno(-slack), call: "prctl PR_SET_TIMERSLACK") }
        let mailboxes = (0..<setup.workers).map { _ in LoadMailbox() }
        let rows = (0..<setup.workers).map { board.row(setup.firstRow + $0) }
        let engine = try Engine(setup.configuration(listen: [])) { worker in
            LoadClient(
                plan: plan.slice(worker, of: setup.workers), settings: settings,
                mailbox: mailboxes[worker], row: rows[worker],
                worker: (
                    index: planSetup.part * setup.workers + worker,
                    count: planSetup.parts * setup.workers
                ),
                acceptLag: settings.acceptLagMax.map { AcceptLag(board: board, lagMax: $0) },
                board: board)
        }
        try channel.send(ChildMessage.ready(listening: [], backlog: 0))
        try obey(channel, engine, mailboxes: mailboxes, rows: rows)
    }

    /// Does what the parent says, until it says the end.
    private static func obey(
        _ channel: ControlChannel, _ engine: Engine, mailboxes: [LoadMailbox],
        rows: [Scoreboard.Row]
    ) throws {
        /// The number of the command that is being done.
        var running: Int?
        while true {
            // While a command runs its end is looked for 500 times a second.
            let message = try channel.receive(
                ParentMessage.self, milliseconds: running == nil ? 200 : 2)
            switch message {
            case nil: break
            case .load(let number, let commands):
                for (mailbox, command) in zip(mailboxes, commands) { mailbox.post(command) }
                engine.wake()
                running = number
            case .counters:
                awaitFreshCounters(engine)
                try channel.send(
                    ChildMessage.counters(engine.counters, fallbacks: engine.fallbacks))
            case .finish:
                engine.stop()
                return try engine.join()
            case .server, .client:
                throw ControlError.malformed("a second set-up")
            }
            if let failure = engine.failure { throw failure }
            if let number = running,
                zip(mailboxes, rows).allSatisfy({ $0.newest == $1[.commandDone] })
            {
                running = nil
                let reports = mailboxes.compactMap { $0.takeReport() }
                try channel.send(ChildMessage.loaded(number: number, reports))
            }
        }
    }

    /// A worker publishes in a turn that comes 10 ms after the last time, so one that has become idle
    /// needs another turn for its last figures. Each has to: a busy one may publish many turns at once.
    private static func awaitFreshCounters(_ engine: Engine) {
        usleep(12_000)
        let before = engine.countersByWorker.map(\.turns)
        engine.wake()
        // A worker that stands still for longer has no newer figures to tell.
        for _ in 0..<500 {
            usleep(2_000)
            let now = engine.countersByWorker.map(\.turns)
            if zip(now, before).allSatisfy(>) { return }
        }
    }
}
