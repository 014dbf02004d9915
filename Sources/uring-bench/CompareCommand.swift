// `uring-bench compare`: before and after, from result files or from two executables in turns.

import ArgumentParser
import ConnectionBench

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Say what is faster, slower or the same in two groups of runs, and how surely.",
        discussion: """
            BASE and NEW are results of `run --json`: a file, or several that form a
            group, such as a1.json,a2.json. A file of `run --repeats 8` has a group in
            itself. Results of unlike machines, tools or plans are refused; commit and
            executable may differ.

            With --run, BASE and NEW are two executables of this tool, which take turns:

                uring-bench compare --run old/uring-bench new/uring-bench -- --conns 1000

            Each figure is compared by medians, bootstrap intervals of 95 % and Mann
            and Whitney's test, corrected for the number of figures. Without --fail-on
            the exit code does not depend on what is found.

            Exit codes: 0 no bound is broken, 98 a regression, 64 usage or unlike
            results, 74 output not writable, 130 or 143 interrupted, 1 anything else.
            """)

    @Argument(help: "Result files, or with --run an executable.")
    var base: String

    @Argument(help: "The same, to be compared with BASE.")
    var new: String

    @Argument(
        parsing: .postTerminator, help: ArgumentHelp("Options of `run`, after --; with --run."))
    var runOptions: [String] = []

    @Flag(name: .customLong("run"), help: "Run two executables in turns (A B, B A, …).")
    var runs = false

    @Option(
        parsing: .unconditional, help: "Runs of each executable, with --run (default: 12).",
        transform: Allowed.repeats.parse)
    var repeats: Int?

    @Option(
        name: .customLong("fail-on"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            """
            Exit with 98 when a figure is worse by more than this, and the runs show it, such as \
            'p99>10%' or 'server-cpu@10k>5%'. May be repeated.
            """, valueName: "bound"), transform: Allowed.relativeThreshold)
    var thresholds: [RelativeThreshold] = []

    @Option(
        parsing: .unconditional,
        help: "The difference that matters, in percent (default: 5).",
        transform: Allowed.noise)
    var noise = 0.05

    @Option(
        parsing: .unconditional,
        help: """
            Runs of each command by which a suspected regression is confirmed, when both executables \
            are still there (default: 8).
            """, transform: Allowed.confirm.parse)
    var confirm: Int?

    @Flag(help: "Never run anything again; judge by the files alone.")
    var noConfirm = false

    @Flag(help: "Compare results although their environments are unlike.")
    var force = false

    @Flag(help: "Print Markdown for a pull request.")
    var markdown = false

    @Option(
        parsing: .unconditional, help: "Write the comparison to this file; - is standard output.")
    var json: String?

    @Flag(name: [.short, .long], help: "No progress on standard error.")
    var quiet = false

    func validate() throws {
        if runs {
            let others = [
                ("--confirm", confirm != nil), ("--no-confirm", noConfirm), ("--force", force),
            ]
            if let (name, _) = others.first(where: \.1) {
                throw ValidationError("\(name) is for result files, not for --run")
            }
            if let option = RunOptions.clash(in: runOptions) {
                throw ValidationError("\(option): leave it out after --, give it to compare")
            }
            try checkRunOptions()
        } else {
            if repeats != nil { throw ValidationError("--repeats is for --run") }
            if let first = runOptions.first {
                throw ValidationError("\(first): options after -- are for --run")
            }
        }
        if confirm != nil, noConfirm {
            throw ValidationError("--confirm and --no-confirm: give one of them")
        }
        if markdown, json == "-" {
            throw ValidationError(
                "--markdown and --json - would both be on standard output: give --json a file")
        }
    }

    /// The executables may be of another version, but what no version can mean is found here.
    private func checkRunOptions() throws {
        let command: RunCommand
        do {
            command = try RunCommand.parse(runOptions)
        } catch {
            throw ValidationError("after --: \(RunCommand.message(for: error))")
        }
        if command.backend.kinds.count > 1 {
            throw ValidationError("after --: give one backend; the executables are compared")
        }
    }

    func run() throws {
        let output = try ResultOutput(json)
        let progress = RunProgress(isQuiet: quiet)
        let rule = VerdictRule(whatMatters: noise)
        if runs { return try runInTurns(output, progress, rule) }
        let report: ComparisonReport
        do {
            report = try ComparisonReport.make(
                try pairs(progress), thresholds: thresholds, rule: rule,
                confirmRounds: noConfirm ? nil : confirm ?? 8, tool: BuildFacts.tool,
                commandLine: CommandLine.arguments, progress: progress)
        } catch let exit as ExitCode {
            output.discard()
            throw exit
        } catch {
            output.discard()
            throw Exit.withMessage("\(error)", code: error is ResultFileError ? 64 : 1)
        }
        try finish(report, output)
    }

    private func finish(_ report: ComparisonReport, _ output: ResultOutput) throws {
        try output.finish(
            report, text: markdown ? report.markdown : report.text, isEmpty: false, stopped: nil,
            code: report.exitCode)
    }

    // MARK: From files

    private func pairs(_ progress: RunProgress) throws -> [ComparedPair] {
        let one = try ComparedSide(reading: base)
        let other = try ComparedSide(reading: new)
        let pairs = ComparedPair.pairs(one, other)
        if pairs.isEmpty {
            throw Exit.withMessage(
                "\(one.label) has runs of \(Self.names(one)), \(other.label) of"
                    + " \(Self.names(other)): there is nothing to compare", code: 64)
        }
        let within = one.unlikeWithin() + other.unlikeWithin()
        let unlike = within + pairs.flatMap(\.unlike)
        if !unlike.isEmpty, !force {
            var seen: [UnlikeFact] = []
            for fact in unlike where !seen.contains(fact) { seen.append(fact) }
            let list = seen.map { "  \($0.name): \($0.base) | \($0.new)" }.joined(separator: "\n")
            throw Exit.withMessage(
                "the results are of unlike environments, and were not compared; --force compares"
                    + " them all the same:\n\(list)", code: 64)
        }
        let left = (one.groups + other.groups).count - 2 * pairs.count
        if left > 0 {
            progress.say(
                "\(left) group(s) of runs have no counterpart on the other side and are left out")
        }
        return pairs
    }

    private static func names(_ side: ComparedSide) -> String {
        side.groups.map(\.name).joined(separator: ", ")
    }

    // MARK: From executables

    private func runInTurns(
        _ output: ResultOutput, _ progress: RunProgress, _ rule: VerdictRule
    ) throws {
        let report: ComparisonReport
        do {
            let candidates = try zip(["base", "new"], [base, new]).map { name, path in
                guard let executable = ExecutableIdentity(path: path), executable.isExecutable
                else {
                    throw Exit.withMessage(
                        "\(path) is no executable: --run wants the paths of two builds of this"
                            + " tool", code: 64)
                }
                return ToolCandidate.make(
                    name: name, path: path.contains("/") ? path : "./\(path)", options: runOptions)
            }
            let turns = try TurnRun(
                candidates, rounds: repeats ?? 12, warmupRuns: 1, thresholds: [], rule: rule,
                tool: BuildFacts.tool, commandLine: CommandLine.arguments, progress: progress)
            report = ComparisonReport.make(
                turns.perform(), thresholds: thresholds, tool: BuildFacts.tool,
                commandLine: CommandLine.arguments)
        } catch let exit as ExitCode {
            output.discard()
            throw exit
        } catch {
            output.discard()
            throw Exit.withMessage("\(error)", code: 1)
        }
        try finish(report, output)
    }
}

extension Allowed {
    static let confirm = CountRange(
        VerdictRule.runsMin...100, "runs of each, for example 8; --no-confirm makes none")
}
