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
