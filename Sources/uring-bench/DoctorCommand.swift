// `uring-bench doctor`: what this machine allows, before anything is loaded.

import ArgumentParser
import ConnectionBench
import ConnectionEngine
import FoundationEssentials

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Predict where each limit ends a run, and say how to raise it.",
        discussion: """
            Reads the limits of this machine and measures what a connection costs with a few
            thousand real ones (about a second for each backend). Nothing is changed.

            Exit codes: 0 they fit, 77 a wall is nearer, 69 io_uring was asked for and is
            unavailable, 64 usage, 1 anything else.
            """)

    @Option(
        name: [.customShort("n"), .customLong("conns")], parsing: .unconditional,
        help: "Connections to ask about, such as 10000, 500k or 1.5M (default: 10,000).",
        transform: Allowed.connections.parse)
    var connections = 10_000

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: "uring, epoll, threads, or all (default: all).")
    var backend: DoctorBackend = .all

    @Option(
        name: .customLong("message-rate"), parsing: .unconditional,
        help: "Messages per second on each connection, for the processors' limit (default: 0.1).",
        transform: Allowed.messageRate)
    var messageRate = 0.1

    @Flag(
        inversion: .prefixedNo,
        help: "Measure what a connection costs; without it costs are from a table.")
    var calibration = true

    @Option(parsing: .unconditional, help: "Write the report to this file; - is standard output.")
    var json: String?

    @Flag(name: [.short, .long], help: "No progress on standard error.")
    var quiet = false

    func run() throws {
        let output = try ResultOutput(json)
        let plan = RunPlan(connections: connections, steps: [connections], seed: 1)
        let doctor = Doctor(
            plan: plan, backends: backend.kinds, messagesPerSecond: messageRate,
            calibrates: calibration, tool: BuildFacts.tool, progress: RunProgress(isQuiet: quiet))
        let report: DoctorReport
        do {
            report = try doctor.examine()
        } catch {
            output.discard()
            throw Exit.withMessage("\(error)", code: 1)
        }
        let isUnavailable = backend == .uring && report.backends.first?.unavailable != nil
        try output.finish(
            report, text: DoctorText(report).text, isEmpty: false, stopped: nil,
            code: isUnavailable ? 69 : report.fits ? 0 : 77)
    }
}

enum DoctorBackend: String, CaseIterable, ExpressibleByArgument {
    case all, uring, epoll, threads

    var kinds: [BackendKind] {
        BackendKind(rawValue: rawValue).map { [$0] } ?? BackendKind.allCases
    }
}
