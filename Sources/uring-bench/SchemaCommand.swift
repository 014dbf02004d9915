// `uring-bench schema`: what a program may expect of a result file.

import ArgumentParser
import ConnectionBench

extension ResultSchema: ExpressibleByArgument {}

struct SchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Print the JSON Schema of a result.",
        discussion: """
            For example:  uring-bench schema > result.schema.json

            The schemas of a set of runs and of a soak refer to that of a result by its $id,
            urn:uring-bench:schema:result.
            """)

    @Argument(
        help: """
            result (one run: --json, --output x.json), set (several runs and a comparison), or soak.
            """)
    var kind: ResultSchema = .result

    func run() {
        print(kind.text, terminator: "")
    }
}
