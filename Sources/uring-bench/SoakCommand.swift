// `uring-bench soak`: the options, their checks, and where the result goes.

import ArgumentParser
import ConnectionBench
import ConnectionEngine
import Glibc

extension SoakShape.Closing: ExpressibleByArgument {}

struct SoakCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "soak",
        abstract:
            "Hold N connections under load and churn for long: does anything grow, or get lost?",
        discussion: """
            Connects N, then loads them for as long as --for says. Every few seconds the
            load pauses for some milliseconds, everything is counted exactly (connections,
            slots, buffers, descriptors, threads), and memory is read. At the end each
            memory series has a verdict: flat, rising, falling, or cannot tell (too short
            for its noise).

            Exit codes: 0 nothing rises and nothing was lost, 98 something rises or was
            not given back, 99 a loop was later than --max-lag, 77 a wall before N, 130 or
            143 interrupted (what was seen is written), 64 usage, 69 backend unavailable,
            74 output not writable, 1 something was lost, the time was too short, or
            anything else.
            """)

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: "uring, epoll, threads, or auto (uring, else epoll).")
    var backend: BackendChoice = .auto

    @Option(
        name: [.customShort("n"), .customLong("conns")], parsing: .unconditional,
        help: "Connections to hold, such as 10000, 500k or 1.5M (default: 10,000).",
        transform: Allowed.connections.parse)
    var connections = 10_000

    @Option(
        name: .customLong("for"), parsing: .unconditional,
        help: "How long, such as 90s, 30m or 2h (default: 10m).", transform: Allowed.soakTime.parse)
    var seconds = 600.0

    @Option(
        parsing: .unconditional,
        help: "Time from one look to the next, such as 5s (default: 1s to 10s, by --for).",
        transform: Allowed.lookTime.parse)
    var every: Double?

    @Option(
        parsing: .unconditional,
        help:
            "Connections that end and are replaced per second, the oldest first; 0: none (default).",
        transform: Allowed.soakChurn.parse)
    var churn = 0

    @Option(
        parsing: .unconditional,
        help: """
            How they end, begun by the client: reset, fin (in order, with TIME_WAIT), or mixed (the \
            two in turns).
            """)
    var close: SoakShape.Closing = .mixed

    @Option(
        parsing: .unconditional,
        help: "Requests per second, over all active connections (default: 10,000).",
        transform: Allowed.rate.parse)
    var rate = 10_000

    @OptionGroup
    var requests: RequestOptions

    @Option(
        name: .customLong("max-lag"), parsing: .unconditional,
        help: """
            The longest that a loop may be late, such as 100ms; otherwise the exit code is 99 \
            (default: it is only told).
            """, transform: Allowed.lag.parse)
    var lagMax: Double?

    @Option(
        parsing: .unconditional,
        help: "Chooses the source addresses (default: another for each soak).",
        transform: Allowed.seed)
    var seed: UInt64?

    @Option(
        name: .customLong("netns"), parsing: .unconditional,
        help: """
            Network namespaces of the soak's own: loopback (one), veth (one for each side and a \
            virtual cable), none. Needs root; the kernel's count is exact then.
            """)
    var isolation: Isolation = .none

    @OptionGroup(title: "Engines")
    var engines: EngineOptions

    @Option(
        parsing: .unconditional, help: "Write the result to this file; - is standard output.",
        completion: .file(extensions: ["json"]))
    var json: String?

    @Flag(name: [.short, .long], help: "No progress on standard error.")
    var quiet = false

    func validate() throws {
        try engines.check()
        try requests.check(buffer: engines.buffer)
        if let every, every > seconds {
            throw ValidationError(
                "--every \(DurationCount.text(every)) is longer than the soak of"
                    + " \(DurationCount.text(seconds)): give a longer --for")
        }
        let replacements = Double(churn) * seconds
        if replacements > Self.replacementsMax {
            throw ValidationError(
                "--churn \(Count.format(churn)) for \(DurationCount.text(seconds)) replaces"
                    + " \(Count.format(Int(replacements))) connections, each with a source of its"
                    + " own: allowed are 10,000,000,000, so give a lower --churn or a shorter --for"
            )
        }
    }

    /// A list of all sources ever used is address space in each client: 8 bytes each.
    private static let replacementsMax = 1e10

    func run() throws {
        let output = try ResultOutput(json)
        let soak: Soak
        do {
            soak = try Soak(
                SoakShape(
                    seconds: seconds, sampleSeconds: every, closesPerSecond: Double(churn),
                    closing: close, lagMaxSeconds: lagMax),
                plan: plan, tool: BuildFacts.tool, commandLine: CommandLine.arguments,
                progress: RunProgress(isQuiet: quiet))
        } catch {
            output.discard()
            throw Exit.withMessage("\(error)", code: 1)
        }
        let result = soak.perform()
        try output.finish(
            result, text: SoakTable(result).text, isEmpty: result.samples == 0,
            stopped: result.stopped, code: result.exitCode)
    }

    private var plan: RunPlan {
        var plan = RunPlan(
            connections: connections, steps: [connections], seed: seed ?? UInt64(getpid()))
        plan.backend = backend.kind
        plan.requestsPerSecond = Double(rate)
        requests.apply(to: &plan)
        plan.reusesSourcePorts = seed != nil
        engines.apply(to: &plan)
        plan.isolation = isolation
        return plan
    }
}
