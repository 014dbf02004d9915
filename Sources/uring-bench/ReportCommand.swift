// `uring-bench report`: results as one HTML page.

import ArgumentParser
import BenchReport
import ConnectionBench
import FoundationEssentials
import Glibc

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Make one self-contained HTML page of results, with charts.",
        discussion: """
            Takes files that --json of run or ports has written. Several are shown together,
            in the order given. The page loads nothing and needs no network: it can be sent
            as it is.

            Exit codes: 0 written, 64 usage or a file that is no result, 74 output not
            writable.
            """)

    @Argument(help: "Results as written by --json.")
    var results: [String]

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: """
            The page; - is standard output (default: beside the first result, with .html instead of \
            .json).
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
            try PageFile(path).write(report.html)
        } catch {
            throw Exit.withMessage("\(error)", code: 74)
        }
        if output == nil { Exit.complain("wrote \(path)") }
    }

    private static func read(_ path: String) throws -> ReportInput {
        let bytes: [UInt8]
        do {
            bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
        } catch {
            // What the kernel says of it is more to the point than Foundation's sentence.
            let reason = String(cString: strerror(code(ofReading: path)))
            throw Exit.withMessage(
                "\(path) cannot be read: \(reason); name a file that --json has written", code: 64)
        }
        do {
            return try ReportInput(path: path, bytes: bytes)
        } catch {
            throw Exit.withMessage("\(error)", code: 64)
        }
    }

    private static func code(ofReading path: String) -> CInt {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return errno }
        defer { close(fd) }
        var byte: UInt8 = 0
        return Glibc.read(fd, &byte, 1) < 0 ? errno : EIO
    }

    /// `out/run.json` becomes `out/run.html`.
    static func beside(_ path: String) -> String {
        (path.hasSuffix(".json") ? String(path.dropLast(5)) : path) + ".html"
    }
}
