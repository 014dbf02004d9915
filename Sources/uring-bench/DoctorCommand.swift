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
            Reads the limits of this machine and measures what a connection costs with
            a few thousand real ones (about a second for each backend). Nothing is
            changed.

            With --fix-script, prints a shell script that raises the sysctls in the way
            (sh fix.sh apply) and puts them back (sh fix.sh revert). With --pid, looks at a
            server that runs: what it holds, and what it will run into first.

            Exit codes: 0 they fit (with --fix-script: after it; with --pid: it can take
            more), 77 a wall is nearer, 69 io_uring was asked for and is unavailable, 64
            usage, 1 anything else.
            """)

    @Option(
        name: [.customShort("n"), .customLong("conns")], parsing: .unconditional,
        help: "Connections to ask about, such as 10000, 500k or 1.5M (default: 10,000).",
        transform: Allowed.connections.parse)
    var connections: Int?

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: "uring, epoll, threads, or all (default: all).")
    var backend: DoctorBackend?

    @Option(
        name: .customLong("message-rate"), parsing: .unconditional,
        help: """
            Messages per second on each connection, for the processors' limit (default: none, they \
            are idle).
            """,
        transform: Allowed.messageRate)
    var messageRate: Double?

    @Flag(
        inversion: .prefixedNo,
        help: "Measure what a connection costs; without it costs are from a table.")
    var calibration = true

    @Flag(
        help: "Print only a script that raises the sysctls in the way, and can put them back.")
    var fixScript = false

    @Option(
        parsing: .unconditional, help: "Look at the server with this process id instead.",
        transform: Allowed.processID.parse)
    var pid: Int?

    @Option(
        parsing: .unconditional, help: "Write the report to this file; - is standard output.",
        completion: .file(extensions: ["json"]))
    var json: String?

    @Flag(name: [.short, .long], help: "No progress on standard error.")
    var quiet = false

    func validate() throws {
        if fixScript, json == "-" {
            throw ValidationError(
                "--fix-script and --json - would both be on standard output: give --json a file")
        }
        guard pid != nil else { return }
        let others = [
            ("--conns", connections != nil), ("--backend", backend != nil),
            ("--message-rate", messageRate != nil), ("--no-calibration", !calibration),
            ("--fix-script", fixScript),
        ]
        if let (name, _) = others.first(where: \.1) {
            throw ValidationError(
                "\(name) is about a run to come, --pid about a server that runs: give one of them")
        }
    }

    func run() throws {
        let output = try ResultOutput(json)
        if let pid { return try look(at: Int32(pid), output) }
        let connections = connections ?? 10_000
        let backend = backend ?? .all
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
        if fixScript { return try prescribe(report, output, isUnavailable: isUnavailable) }
        try output.finish(
            report, text: DoctorText(report).text, isEmpty: false, stopped: nil,
            code: isUnavailable ? 69 : report.fits ? 0 : 77)
    }

    /// The script alone on standard output; what it leaves in the way on standard error.
    private func prescribe(
        _ report: DoctorReport, _ output: ResultOutput, isUnavailable: Bool
    ) throws {
        let fixes = DoctorFixes(report)
        let script: String?
        do throws(FixScriptError) {
            script = try fixes.script()
        } catch {
            output.discard()
            throw Exit.withMessage("\(error)", code: 1)
        }
        if script == nil { Exit.complain(fixes.nothingToChange) }
        for line in fixes.remaining { Exit.complain("still in the way: \(line)") }
        try output.finish(
            report, text: script.map(Self.withoutLineEnd), isEmpty: false, stopped: nil,
            code: isUnavailable ? 69 : fixes.remaining.isEmpty ? 0 : 77)
    }

    private func look(at pid: Int32, _ output: ResultOutput) throws {
        let report: ForeignReport
        do throws(ProcessUsageError) {
            report = try ForeignReport(pid: pid)
        } catch {
            output.discard()
            var reason = "\(error)"
            if case .vanished = error { reason = "there is no process \(pid)" }
            throw Exit.withMessage("--pid \(pid): \(reason)", code: 1)
        }
        try output.finish(
            report, text: Self.withoutLineEnd(report.text), isEmpty: false, stopped: nil,
            code: report.isFull ? 77 : 0)
    }

    /// Printing adds it again.
    private static func withoutLineEnd(_ text: String) -> String {
        text.hasSuffix("\n") ? String(text.dropLast()) : text
    }
}

enum DoctorBackend: String, CaseIterable, ExpressibleByArgument {
    case all, uring, epoll, threads

    var kinds: [BackendKind] {
        BackendKind(rawValue: rawValue).map { [$0] } ?? BackendKind.allCases
    }
}
