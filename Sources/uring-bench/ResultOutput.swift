// Where a command's answer goes: files of each kind, a table on standard output, the code at the end.

import ArgumentParser
import ConnectionBench

struct ResultOutput {
    private struct Destination {
        let kind: OutputKind
        let option: String
        let file: ResultFile
    }

    private let destinations: [Destination]
    /// Something for programs is there, and nothing else may be.
    private let takesStandardOutput: Bool

    /// - Parameters:
    ///   - json: the value of --json.
    ///   - outputs: the values of --output.
    ///   - stream: the value of --stream.
    /// - Throws: with code 74, when a file cannot be written, before anything is measured.
    init(_ json: String?, outputs: [String] = [], stream: String? = nil) throws {
        takesStandardOutput = json == "-" || stream == "-"
        var wanted = try outputs.map {
            (kind: try OutputKind(path: $0), option: "--output", path: $0)
        }
        if let json { wanted.insert((.json, "--json", json), at: 0) }
        var destinations: [Destination] = []
        do {
            for (kind, option, path) in wanted {
                let file = try ResultFile(path, option: option)
                if let other = destinations.first(where: { $0.file.path == file.path }) {
                    throw ValidationError(
                        "\(option) \(path): \(other.option) writes the same file already")
                }
                destinations.append(Destination(kind: kind, option: option, file: file))
            }
        } catch let error as ResultFile.WriteError {
            for destination in destinations { destination.file.discard() }
            throw Exit.withMessage("\(error)", code: 74)
        } catch {
            for destination in destinations { destination.file.discard() }
            throw error
        }
        self.destinations = destinations
    }

    /// For a command that did not begin.
    func discard() {
        for destination in destinations { destination.file.discard() }
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
        // Only a run has other outputs than JSON.
        try finish(
            { _ in try JSONText.pretty(result) }, text: text(), isEmpty: isEmpty, stopped: stopped,
            code: code)
    }

    func finish(_ result: RunResult) throws {
        try finish(
            { try $0.text(of: result) }, text: ResultTable(result).text,
            isEmpty: result.steps.isEmpty, stopped: result.stopped, code: result.exitCode)
    }

    /// - Parameter text: for standard output.
    func finish(_ set: RunSet, text: @autoclosure () -> String) throws {
        try finish(
            { try $0.text(of: set) }, text: text(), isEmpty: set.runs.isEmpty,
            stopped: set.stopped ?? set.failure, code: set.exitCode)
    }

    private func finish(
        _ content: (OutputKind) throws -> String, text: @autoclosure () -> String?, isEmpty: Bool,
        stopped: StopReason?, code: Int32
    ) throws {
        var code = code
        // A file that fails takes no other one with it.
        for destination in destinations {
            do {
                try destination.file.write(try content(destination.kind))
            } catch {
                // What was measured is still on the screen.
                destination.file.discard()
                Exit.complain("\(error)")
                code = 74
            }
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
