// Where a command's answer goes: JSON to its file, a table to standard output, the code to the end.

import ArgumentParser
import ConnectionBench

struct ResultOutput {
    private let file: ResultFile?
    private let takesStandardOutput: Bool

    /// - Parameter json: the value of --json.
    /// - Throws: with code 74, when the file cannot be written, before anything is measured.
    init(_ json: String?) throws {
        takesStandardOutput = json == "-"
        do {
            file = try json.map { path throws in try ResultFile(path) }
        } catch {
            throw Exit.withMessage("\(error)", code: 74)
        }
    }

    /// For a command that did not begin.
    func discard() {
        file?.discard()
    }

    /// Writes the result, prints the table or why there is none, and throws a code that is not 0.
    ///
    /// - Parameters:
    ///   - text: for standard output; `nil`: nothing.
    ///   - isEmpty: nothing was measured that a table could tell of.
    func finish(
        _ result: some Encodable, text: @autoclosure () -> String?, isEmpty: Bool,
        stopped: StopReason?, code: Int32
    ) throws {
        var code = code
        do {
            try file?.write(result)
        } catch {
            // What was measured is still on the screen.
            Exit.complain("\(error)")
            code = 74
        }
        // The table is the command's answer, unless the JSON is, or there is nothing to tell of.
        if let stopped, isEmpty || takesStandardOutput {
            Exit.complain(stopped.message)
        } else if !takesStandardOutput, let text = text() {
            print(text)
        }
        if code != 0 { throw ExitCode(code) }
    }
}
