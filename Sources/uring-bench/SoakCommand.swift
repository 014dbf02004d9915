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

    @Option(
        parsing: .unconditional,
        help: "The part of the connections that is sent to, such as 1% or 0.01 (default: 100%).",
        transform: LoadOptions.fraction)
    var active = 1.0

    @Option(
        parsing: .unconditional,
        help: """
            Bytes of a request and its answer: a size, a range such as 64-1024, or sizes with weights \
            such as 64:90,1024:9,16k:1 (default: 64).
            """, transform: LoadOptions.sizes)
    var message: MessageSizes = .uniform(from: 64, to: 64)

    @Option(
        parsing: .unconditional, help: "Bytes of a buffer, 16 to 1,048,576 (default: 2,048).",
        transform: Allowed.buffer.parse)
    var buffer = 2_048

    @Option(
        name: .customLong("max-lag"), parsing: .unconditional,
        help: """
            The longest that a loop may be late, such as 100ms; otherwise the exit code is 99 \
            (default: it is only told).
            """, transform: Allowed.lag.parse)
    var lagMax: Double?

    @Option(
        parsing: .unconditional,
        help: "Workers per process on each side, 1 to 64 (default: one per processor).",
        transform: Allowed.workers.parse)
    var workers: Int?

    @Option(
        parsing: .unconditional,
        help: "Processes per side at most (default: as many as the limit of open files asks for).",
        transform: Allowed.processes.parse)
    var processes: Int?

    @Option(
        parsing: .unconditional,
        help: "How idle connections wait (io_uring): poll, receive, or adaptive.")
    var idle: IdleMode = .adaptive

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

    @Option(
        name: .customLong("memory-floor"), parsing: .unconditional,
        help: "Bytes of available memory at which the ramp stops (default: 8 %, at least 1 GiB).",
        transform: Allowed.memoryFloor.parse)
    var memoryFloor: Int?

    @Option(
        name: .customLong("mask"), parsing: .unconditionalSingleValue,
        help: "Do without a kernel feature, as in run. May be repeated.",
        completion: .list(URingFeatures.all.names))
    var masked: [String] = []

    @Option(
        parsing: .unconditional, help: "Write the result to this file; - is standard output.",
        completion: .file(extensions: ["json"]))
    var json: String?

    @Flag(name: [.short, .long], help: "No progress on standard error.")
    var quiet = false

    func validate() throws {
        guard message.largest <= buffer else {
            throw ValidationError(
                "--message \(Count.format(message.largest)) is larger than the buffer of"
                    + " \(Count.format(buffer)) bytes: give --buffer \(message.largest) too")
        }
        if let every, every > seconds {
            throw ValidationError(
                "--every \(DurationCount.text(every)) is longer than the soak of"
                    + " \(DurationCount.text(seconds)): give a longer --for")
        }
        for name in masked where !URingFeatures.all.names.contains(name) {
            throw ValidationError(
                "--mask \(name): known are \(URingFeatures.all.names.joined(separator: ", "))")
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
        plan.messageByteCount = message.largest
        plan.load.activeFraction = active
        plan.load.messages = message.single == nil ? message : nil
        plan.bufferByteCount = buffer
        plan.workers = workers
        plan.processes = processes
        plan.idleMode = idle
        plan.reusesSourcePorts = seed != nil
        plan.isolation = isolation
        plan.memoryFloorBytes = memoryFloor
        plan.maskedFeatures = masked
        return plan
    }
}
