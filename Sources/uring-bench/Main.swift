// The entry: a command of the user, or a child process of a run.

import ArgumentParser
import ConnectionBench
import Glibc

@main
struct Main {
    static func main() {
        // A child is started by a run with this one argument, and never by a person.
        if CommandLine.arguments.dropFirst().elementsEqual([childArgument]) {
            exit(ChildMain.run())
        }
        do {
            var command = try parse(Array(CommandLine.arguments.dropFirst()))
            try command.run()
        } catch {
            Exit.with(error)
        }
    }

    /// Options of a saved plan stand before those that were typed.
    private static func parse(_ typed: [String]) throws -> any ParsableCommand {
        let (arguments, plan) = try PlanFile.expand(typed)
        do {
            return try UringBench.parseAsRoot(arguments)
        } catch {
            throw plan.map { PlanFile.explain(error, $0) } ?? error
        }
    }
}

struct UringBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "uring-bench",
        abstract: "How many TCP connections can this machine hold, and what does each cost?",
        discussion: """
            Opens connections on loopback up to N in steps, and measures at each step:
            connect rate, echo latency at a fixed rate, processor time, and memory per
            connection.

            Exit codes: 0 reached and verified, 64 usage, 69 backend unavailable, 74 output
            not writable, 77 a wall before N, 98 compare found a regression or soak a leak, 99
            a --fail-if holds, 130 or 143 interrupted, 1 anything else.
            """,
        version: BuildFacts.versionLine,
        subcommands: [
            RunCommand.self, SoakCommand.self, CompareCommand.self, DoctorCommand.self,
            PortsCommand.self,
            ReportCommand.self, RestoreCommand.self, SchemaCommand.self,
        ],
        defaultSubcommand: RunCommand.self)
}

let toolVersion = "0.1.0"
