// `uring-bench ports`: what a connect costs as the source ports run out.

import ArgumentParser
import ConnectionBench

struct PortsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ports",
        abstract: "Show what a connect costs as the source ports run out, for four ways to choose.",
        discussion: """
            Fills the source ports of one address towards one destination, in network
            namespaces of its own: the host's ports and sysctls are left alone. Needs root,
            or `unshare -rn uring-bench ports`.
            """)

    @Option(
        parsing: .unconditional,
        help: "Source ports to fill; each takes a descriptor (default: 16,000).",
        transform: Allowed.sourcePorts.parse)
    var ports = 16_000

    @Option(
        parsing: .unconditional,
        help: "Seconds after which a strategy is cut off where it is (default: 20).",
        transform: Allowed.strategySeconds.parse)
    var seconds = 20.0

    @Option(
        parsing: .unconditional, help: "Write the result to this file; - is standard output.",
        completion: .file(extensions: ["json"]))
    var json: String?

    @Flag(name: [.short, .long], help: "No progress on standard error.")
    var quiet = false

    func run() throws {
        let output = try ResultOutput(json)
        let story: PortStory
        do {
            story = try PortStory(
                plan: PortStoryPlan(ports: ports, secondsPerStrategy: seconds),
                tool: BuildFacts.tool, commandLine: CommandLine.arguments,
                progress: RunProgress(isQuiet: quiet))
        } catch {
            output.discard()
            throw Exit.withMessage("\(error)", code: 1)
        }
        let result = story.perform()
        try output.finish(
            result, text: PortStoryTable(result).text, isEmpty: result.strategies.isEmpty,
            stopped: result.stopped, code: result.exitCode)
    }
}
