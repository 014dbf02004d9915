// `uring-bench run`: the options, their checks, and where the result goes.

import ArgumentParser
import ConnectionBench
import ConnectionEngine
import FoundationEssentials
import Glibc

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Climb to N connections in steps and measure at each (the default command).")

    // Values are taken even when they begin with a dash, so that -5 is called a wrong count and
    // not an unknown option.

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: """
            uring, epoll, threads, or auto (uring, else epoll); several in turns: uring,epoll, or all.
            """, completion: .list(["uring", "epoll", "threads", "auto", "all"]),
        transform: BackendSelection.init(parsing:))
    var backend = BackendSelection.auto

    @OptionGroup(title: "Several runs, and bounds")
    var turns: TurnOptions

    @Option(
        name: [.customShort("n"), .customLong("conns")], parsing: .unconditional,
        help: """
            Connections to reach, such as 10000, 500k or 1.5M; max: up to the first wall that cannot \
            be passed (default: 10,000).
            """, transform: ConnectionTarget.init(parsing:))
    var connections = ConnectionTarget.count(10_000)

    @Option(
        parsing: .unconditional,
        help: "Steps to measure at, such as 1k,10k,100k; N is added (default: 1-2-5 from 1,000).")
    var steps: String?

    @Option(
        name: .customLong("probe"), parsing: .unconditional,
        help: "Seconds of load at each step; 0: none (default: 2).", transform: Allowed.probe.parse)
    var probeSeconds = 2.0

    @Option(
        name: .customLong("hold"), parsing: .unconditional,
        help: "Idle seconds at the last step (default: 2).", transform: Allowed.hold.parse)
    var holdSeconds = 2.0

    @Option(
        name: .customLong("connect-window"), parsing: .unconditional,
        help: "Connects on their way at once (default: 512).",
        transform: Allowed.connectWindow.parse)
    var connectWindow = 512

    @Option(
        name: .customLong("connect-rate"), parsing: .unconditional,
        help: "Connects per second at most (default: as fast as they go).",
        transform: Allowed.connectRate.parse)
    var connectRate: Int?

    @Option(
        parsing: .unconditional,
        help: """
            Seconds in which no connection comes to exist, after which the ramp is over (default: \
            20, so that the kernel has sent a lost SYN four times more).
            """, transform: Allowed.stallTimeout.parse)
    var stallTimeout: Double?

    @Option(
        parsing: .unconditional,
        help: """
            none; spread: worker i of both sides on processor i; split: servers on the first half \
            of the processors, clients on the second. Default: spread, for threads none.
            """)
    var pin: Pinning?

    @Option(
        parsing: .unconditional,
        help: "How connections end: reset, or fin (in order, with TIME_WAIT).")
    var close: Teardown = .reset

    @Option(
        parsing: .unconditional,
        help: "First listening port on 127.0.0.1; 0: the kernel chooses (default: 0).",
        transform: Allowed.port.parse)
    var port = 0

    @Option(
        parsing: .unconditional,
        help: "Chooses the source addresses (default: another for each run).",
        transform: Allowed.seed)
    var seed: UInt64?

    @Flag(help: "When N cannot be reached, climb as far as it is safe instead of refusing.")
    var untilWall = false

    @Flag(
        help: """
            Raise sysctls that keep N from fitting (with max: that end the climb before memory does), \
            and put them back at the end. Needs root. After a kill -9: uring-bench restore.
            """)
    var apply = false

    @Flag(help: "Go on although a wall before N is predicted, and meet it.")
    var ignoreWalls = false

    @Option(
        parsing: .unconditional,
        help: """
            Who chooses source addresses and ports: planned (each pair once, bound explicitly), \
            kernel (in connect), bind (the kernel, in bind to port 0).
            """)
    var ports: SourcePorts = .planned

    @Option(
        name: .customLong("source-ports"), parsing: .unconditional,
        help: "Planned source ports, such as 20000-29999 (default: outside of the kernel's range).",
        transform: PortRange.init(parsing:))
    var sourcePorts: PortRange?

    @Option(
        name: .customLong("sources"), parsing: .unconditional,
        help: "Planned source addresses at most (default: as many as needed).",
        transform: Allowed.sources.parse)
    var sources: Int?

    @Option(
        parsing: .unconditional,
        help: "Connections that may wait to be accepted, per listener (default: 4,096).",
        transform: Allowed.backlog.parse)
    var backlog: Int?

    @Flag(
        inversion: .prefixedNo,
        help: "Connects wait while accepts are behind; without it a burst may overflow the queues.")
    var pacing = true

    @Option(
        name: .customLong("netns"), parsing: .unconditional,
        help: """
            Network namespaces of the run's own: loopback (one), veth (one for each side and a \
            virtual cable), none. Needs root; nothing on the host changes.
            """)
    var isolation: Isolation = .none

    @Option(
        name: .customLong("sysctl"), parsing: .unconditionalSingleValue,
        help: """
            Set in the run's own namespaces, such as net.ipv4.ip_local_port_range="20000 20199". \
            May be repeated; needs --netns.
            """, transform: SysctlSetting.init(parsing:))
    var sysctls: [SysctlSetting] = []

    @OptionGroup(title: "Engines")
    var engines: EngineOptions

    @OptionGroup(title: "Privileges")
    var privileges: PrivilegeOptions

    @OptionGroup(title: "Load")
    var load: LoadOptions

    @Flag(inversion: .prefixedNo, help: "Echo once on every connection at the last step.")
    var sweep = true

    @Option(
        parsing: .unconditional, help: "Write the result to this file; - is standard output.",
        completion: .file(extensions: ["json"]))
    var json: String?

    @Flag(name: [.short, .long], help: "No progress on standard error.")
    var quiet = false

    @OptionGroup(title: "Outputs")
    var outputs: OutputOptions

    @OptionGroup
    var savedPlan: PlanOptions

    func validate() throws {
        try outputs.checkStandardOutput(json: json)
        if turns.makesSet(of: backend) { try outputs.checkSeveralRuns() }
        try engines.check()
        try load.check(
            buffer: engines.buffer, connectRate: connectRate, connections: connections.count)
        try privileges.check()
        if isolation == .none, let first = sysctls.first {
            throw ValidationError(
                "--sysctl \(first.name): it would change the host; give --netns loopback or"
                    + " --netns veth too")
        }
        if ports != .planned, sourcePorts != nil || sources != nil {
            throw ValidationError(
                "--source-ports and --sources are for --ports planned; with --ports"
                    + " \(ports.rawValue) the kernel chooses")
        }
        if connections == .max, steps != nil {
            throw ValidationError("--steps: with --conns max the steps follow the prediction")
        }
        try turns.check(
            backends: backend, hasCount: connections != .max, untilWall: untilWall,
            steps: try ladder())
    }

    private func ladder() throws -> [Int] {
        guard case .count(let connections) = connections else { return [] }
        do {
            if let steps { return try StepLadder(parsing: steps, upTo: connections).steps }
            return try StepLadder(upTo: connections).steps
        } catch {
            throw ValidationError("--steps: \(error)")
        }
    }

    func run() throws {
        let output = try ResultOutput(json, outputs: outputs.output, stream: outputs.stream)
        let followers: RunFollowers
        do {
            followers = try outputs.followers(isQuiet: quiet)
        } catch {
            output.discard()
            throw error
        }
        let progress = RunProgress(isQuiet: quiet)
        if turns.makesSet(of: backend) {
            return try BackendTurnsRunner(backends: backend, options: turns)
                .run(try plan(), output, followers, progress)
        }
        let run: Run
        do {
            run = try Run(
                plan: try plan(), tool: BuildFacts.tool, commandLine: CommandLine.arguments,
                progress: progress, observers: followers.observers)
        } catch {
            followers.finish()
            output.discard()
            throw Exit.withMessage("\(error)", code: 1)
        }
        var result = run.perform()
        followers.finish()
        result.judge(turns.thresholds)
        try output.finish(result)
    }

    func plan() throws -> RunPlan {
        let seed = seed ?? UInt64(getpid())
        var plan: RunPlan
        switch connections {
        case .count(let count):
            plan = RunPlan(connections: count, steps: try ladder(), seed: seed)
        case .max:
            plan = RunPlan(connections: 0, steps: [], seed: seed)
            plan.climbsToWall = true
        }
        plan.backend = backend.kinds[0]
        plan.probeSeconds = probeSeconds
        plan.holdSeconds = holdSeconds
        plan.connectWindow = connectWindow
        plan.stallSeconds = stallTimeout
        plan.connectsPerSecond = connectRate.map { Double($0) }
        load.apply(to: &plan)
        engines.apply(to: &plan)
        privileges.apply(to: &plan)
        plan.pinning = pin
        plan.teardown = close
        plan.port = UInt16(port)
        plan.untilWall = untilWall
        plan.sweeps = sweep
        plan.ignoresWalls = ignoreWalls
        plan.raisesLimits = apply
        plan.sourcePorts = ports
        plan.reusesSourcePorts = self.seed != nil
        plan.sourcePortFirst = sourcePorts?.first
        plan.sourcePortLast = sourcePorts?.last
        plan.sourceAddresses = sources
        plan.backlog = backlog
        plan.pacesAccepts = pacing
        plan.isolation = isolation
        plan.sysctls = Dictionary(
            sysctls.map { ($0.name, $0.value) }, uniquingKeysWith: { _, last in last })
        return plan
    }
}
