// The command line as a whole: its subcommands, and what it says of itself.

import ArgumentParser

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
            PortsCommand.self, ReportCommand.self, RestoreCommand.self, SchemaCommand.self,
        ],
        defaultSubcommand: RunCommand.self)
}

let toolVersion = "0.1.0"
