// `uring-bench report`: results as one HTML page.

import ArgumentParser
import BenchReport
import Glibc

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Make one self-contained HTML page of results, with charts.",
        discussion: """
            Takes files that --json of run or ports has written. Several are shown
            together, in the order given. The page loads nothing and needs no network:
            it can be sent as it is.

            Exit codes: 0 written, 64 usage or a file that is no result, 74 output not
            writable.
            """)

    @Argument(help: "Results as written by --json.")
    var results: [String]

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: """
            The page; - is standard output (default: beside the first result, ending in .html \
            instead of .json).
            """)
    var output: String?

    func validate() throws {
        if let output, results.contains(output) {
            throw ValidationError("--output \(output) would overwrite a result: name another file")
        }
    }

    func run() throws {
        let inputs = try results.map { try Self.read($0) }
        let report = Report(inputs, madeBy: "uring-bench \(toolVersion)")
        let path = output ?? Self.beside(results[0])
        do {
            try ResultFile(path, option: "--output").write(report.html)
        } catch {
            throw Exit.withMessage("\(error)", code: 74)
        }
        if output == nil { Exit.complain("wrote \(path)") }
    }

    private static func read(_ path: String) throws -> ReportInput {
        do {
            return try ReportInput(path: path, bytes: try bytes(of: path))
        } catch let error as ReportInputError {
            throw Exit.withMessage("\(error)", code: 64)
        }
    }

    /// Of a file or a pipe, such as /dev/stdin.
    private static func bytes(of path: String) throws -> [UInt8] {
        func unreadable() -> ExitCode {
            let reason = String(cString: strerror(errno))
            return Exit.withMessage(
                "\(path) cannot be read: \(reason); name a file that --json has written", code: 64)
        }
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { throw unreadable() }
        defer { close(fd) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(fd, &chunk, chunk.count)
            if count == 0 { return bytes }
            if count > 0 {
                bytes += chunk[..<count]
            } else if errno != EINTR {
                throw unreadable()
            }
        }
    }

    /// `out/run.json` becomes `out/run.html`.
    static func beside(_ path: String) -> String {
        (path.hasSuffix(".json") ? String(path.dropLast(5)) : path) + ".html"
    }
}
