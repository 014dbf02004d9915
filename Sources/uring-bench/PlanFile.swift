// `run --plan FILE`: options from a file, one on a line, before those of the command line.

import ArgumentParser
import ConnectionBench

enum PlanFile {
    /// The command line with the plan's options in it; as it is when it names no plan.
    ///
    /// - Parameter arguments: without the program's name.
    static func expand(_ arguments: [String]) throws -> (arguments: [String], plan: SavedPlan?) {
        let isRun = arguments.first == "run"
        let options = isRun ? Array(arguments.dropFirst()) : arguments
        // Another command has no plans, and says so itself.
        guard isRun || arguments.first?.hasPrefix("-") == true,
            let path = try planPath(options)
        else { return (arguments, nil) }
        let plan: SavedPlan
        do {
            plan = try SavedPlan(path: path)
        } catch {
            throw ValidationError("--plan: \(error)")
        }
        return (["run"] + plan.arguments + options, plan)
    }

    private static func planPath(_ options: [String]) throws -> String? {
        var paths: [String] = []
        for (index, option) in options.enumerated() {
            if option == "--" { break }
            if option.hasPrefix("--plan=") { paths.append(String(option.dropFirst(7))) }
            // Without a value the parser complains.
            if option == "--plan", index + 1 < options.count { paths.append(options[index + 1]) }
        }
        if paths.count > 1 {
            throw ValidationError("--plan \(paths[1]): give one plan, \(paths[0]) is another")
        }
        return paths.first
    }

    /// An error of the whole command line, with the line of the plan that it comes from.
    static func explain(_ error: any Error, _ plan: SavedPlan) -> any Error {
        guard !UringBench.exitCode(for: error).isSuccess, !(error is ExitCode) else { return error }
        let message = UringBench.message(for: error)
        let culprit = plan.lines.first { line in
            do {
                _ = try UringBench.parseAsRoot(["run"] + line.arguments)
                return false
            } catch let alone {
                return UringBench.message(for: alone) == message
            }
        }
        guard let culprit else { return error }
        return ValidationError("--plan: \(plan.path):\(culprit.number): \(message)")
    }
}

struct PlanOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: """
            Take options from this file, one on a line, # begins a comment; those of the command line \
            override them, and those that may be repeated add up.
            """, completion: .file(extensions: ["plan"]))
    var plan: String?
}
