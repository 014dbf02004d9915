// `uring-bench restore`: puts sysctl values back that a killed run has left changed.

import ArgumentParser
import ConnectionBench

struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Put sysctl values back that a killed uring-bench has left changed.",
        discussion: """
            A run that changes sysctl values writes each change down before it makes it, in
            /run/uring-bench, and puts the values back at its end. After a kill -9 this command
            does it. Values that someone else has changed meanwhile are left alone.

            Prints one line for each value. Exit codes: 0 done or nothing to do, 1 a value
            could not be put back.
            """)

    func run() throws {
        let repair: SysctlRepair
        do throws(SysctlError) {
            repair = try SysctlJournal.repair()
        } catch {
            throw Exit.withMessage("restore: \(error)", code: 1)
        }
        for line in repair.lines { print(line) }
        if repair.hasFailed { throw ExitCode(1) }
    }
}
