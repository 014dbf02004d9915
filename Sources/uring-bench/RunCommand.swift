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

    @Option(name: [.short, .long], help: "uring, epoll, threads, or auto (uring, else epoll).")
    var backend: BackendChoice = .auto

    @Option(
        name: [.customShort("n"), .customLong("conns")],
        help: "Connections to reach, such as 10000, 500k or 1.5M.")
    var connections: CountArgument = CountArgument(value: 10_000)

    @Option(
        help: "Steps to measure at, such as 1k,10k,100k; N is added (default: 1-2-5 from 1,000).")
    var steps: String?

    @Option(help: "Requests per second of a probe, spread over all connections.")
    var rate: CountArgument = CountArgument(value: 10_000)

    @Option(help: "Bytes of a request and its answer.")
    var message: CountArgument = CountArgument(value: 64)

    @Option(help: "Bytes of a buffer, from 16 to 1,048,576.")
    var buffer: CountArgument = CountArgument(value: 2_048)

    @Option(name: .customLong("probe"), help: "Seconds of load at each step; 0: none.")
    var probeSeconds: Double = 2

    @Option(name: .customLong("hold"), help: "Idle seconds at the last step.")
    var holdSeconds: Double = 2

    @Option(name: .customLong("connect-window"), help: "Connects on their way at once.")
    var connectWindow: CountArgument = CountArgument(value: 512)

    @Option(
        name: .customLong("connect-rate"),
        help: "Connects per second at most (default: as fast as they go).")
    var connectRate: CountArgument?

    @Option(help: "Workers per process on each side, 1 to 64 (default: one per processor).")
    var workers: Int?

    @Option(
        help: """
            none; spread: worker i of both sides on processor i; split: servers on the first half \
            of the processors, clients on the second (default: spread, for threads none).
            """)
    var pin: Pinning?

    @Option(
        help: """
            How idle connections wait (io_uring): poll (256 B each), receive (864 B), or adaptive: \
            poll while idle, receive while busy.
            """)
    var idle: IdleMode = .adaptive

    @Option(help: "How connections end: reset, or fin (in order, with TIME_WAIT).")
    var close: Teardown = .reset

    @Option(help: "First listening port on 127.0.0.1; 0 lets the kernel choose.")
    var port: UInt16 = 0

    @Option(help: "Chooses the source addresses (default: another for each run).")
    var seed: UInt64?

    @Flag(help: "When N cannot be reached, climb as far as it is safe instead of refusing.")
    var untilWall = false

    @Option(
        name: .customLong("memory-floor"),
        help: "Bytes of available memory at which the ramp stops (default: 8 %, at least 1 GiB).")
    var memoryFloor: CountArgument?

    @Option(
        name: .customLong("mask"),
        help: """
            Do without a kernel feature, to test its fallback: deferTaskRun, directDescriptors, \
            multishotAccept, multishotReceive, bind, minWait. May be repeated.
            """)
    var masked: [String] = []

    @Flag(inversion: .prefixedNo, help: "Echo once on every connection at the last step.")
    var sweep = true

    @Option(help: "Write the result to this file; - is standard output.")
    var json: String?

    @Flag(name: [.short, .long], help: "No progress on standard error.")
    var quiet = false

    func validate() throws {
        func require(_ condition: Bool, _ message: String) throws {
            if !condition { throw ValidationError(message) }
        }
        try require(
            connections.value >= 1, "--conns 0: allowed is 1 to 100,000,000, for example 500k")
        try require(
            connections.value <= 100_000_000,
            "--conns \(Count.format(connections.value)): allowed is 1 to 100,000,000,"
                + " for example 500k")
        try require(
            rate.value >= 1 && rate.value <= 100_000_000,
            "--rate \(rate.value): allowed is 1 to 100,000,000 requests/s; --probe 0 sends none")
        try require(
            buffer.value >= 16 && buffer.value <= 1 << 20,
            "--buffer \(buffer.value): allowed is 16 to 1,048,576 bytes")
        try require(message.value >= 1, "--message 0: allowed is 1 byte up to --buffer")
        try require(
            message.value <= buffer.value,
            "--message \(Count.format(message.value)) is larger than the buffer of"
                + " \(Count.format(buffer.value)) bytes: give --buffer \(message.value) too")
        try require(
            probeSeconds >= 0 && probeSeconds <= 3_600, "--probe: allowed is 0 to 3600 seconds")
        try require(
            holdSeconds >= 0 && holdSeconds <= 86_400, "--hold: allowed is 0 to 86400 seconds")
        try require(
            connectWindow.value >= 1 && connectWindow.value <= 100_000,
            "--connect-window \(connectWindow.value): allowed is 1 to 100,000")
        try require(
            connectRate.map { $0.value >= 1 } ?? true,
            "--connect-rate 0: allowed is 1 or more connects/s")
        try require(
            workers.map { $0 >= 1 && $0 <= 64 } ?? true, "--workers: allowed is 1 to 64")
        for name in masked where !URingFeatures.all.names.contains(name) {
            throw ValidationError(
                "--mask \(name): known are \(URingFeatures.all.names.joined(separator: ", "))")
        }
        _ = try ladder()
    }

    private func ladder() throws -> [Int] {
        do {
            if let steps { return try StepLadder(parsing: steps, upTo: connections.value).steps }
            return try StepLadder(upTo: connections.value).steps
        } catch {
            throw ValidationError("--steps: \(error)")
        }
    }

    func run() throws {
        let output = try json.map { path throws in
            do {
                return try ResultFile(path)
            } catch {
                throw Exit.withMessage("\(error)", code: 74)
            }
        }
        let progress = RunProgress(isQuiet: quiet)
        let run: Run
        do {
            run = try Run(
                plan: try plan(), tool: BuildFacts.tool, commandLine: CommandLine.arguments,
                progress: progress)
        } catch {
            output?.discard()
            throw Exit.withMessage("\(error)", code: 1)
        }
        let result = run.perform()
        do {
            try output?.write(result)
        } catch {
            Exit.complain("\(error)")
            throw ExitCode(74)
        }
        if result.steps.isEmpty, let stopped = result.stopped {
            throw Exit.withMessage(stopped.message, code: result.exitCode)
        }
        // The table is the command's answer, unless the JSON is.
        if json != "-" { print(ResultTable(result).text) }
        if result.exitCode != 0 { throw ExitCode(result.exitCode) }
    }

    private func plan() throws -> RunPlan {
        var plan = RunPlan(
            connections: connections.value, steps: try ladder(), seed: seed ?? UInt64(getpid()))
        plan.backend = backend.kind
        plan.requestsPerSecond = Double(rate.value)
        plan.messageByteCount = message.value
        plan.bufferByteCount = buffer.value
        plan.probeSeconds = probeSeconds
        plan.holdSeconds = holdSeconds
        plan.connectWindow = connectWindow.value
        plan.connectsPerSecond = connectRate.map { Double($0.value) }
        plan.workers = workers
        plan.pinning = pin
        plan.idleMode = idle
        plan.teardown = close
        plan.port = port
        plan.untilWall = untilWall
        plan.memoryFloorBytes = memoryFloor?.value
        plan.maskedFeatures = masked
        plan.sweeps = sweep
        return plan
    }
}

/// A count on the command line.
struct CountArgument: ExpressibleByArgument {
    let value: Int

    init(value: Int) {
        self.value = value
    }

    init?(argument: String) {
        guard let count = try? Count(parsing: argument) else { return nil }
        value = count.value
    }

    var defaultValueDescription: String { Count.format(value) }
}

enum BackendChoice: String, CaseIterable, ExpressibleByArgument {
    case uring, epoll, threads, auto

    var kind: BackendKind? { BackendKind(rawValue: rawValue) }
}

extension Pinning: ExpressibleByArgument {}
extension Teardown: ExpressibleByArgument {}
extension IdleMode: ExpressibleByArgument {}
