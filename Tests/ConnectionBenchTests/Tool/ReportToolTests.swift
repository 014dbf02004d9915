// `uring-bench report` from end to end.

import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite struct ReportRuns {
        @Test("the page of a run that has just ended lies beside its result")
        func beside() throws {
            let folder = try FixtureDirectory()
            let (result, page) = (folder.path + "/run.json", folder.path + "/run.html")
            // The folder goes when nobody needs it any more.
            defer { withExtendedLifetime(folder) { for path in [result, page] { unlink(path) } } }
            let run = try ToolProcess([
                "--backend", "epoll", "--conns", "200", "--probe", "0.1", "--hold", "0", "--json",
                result,
            ])
            #expect(try run.end() == 0, "\(run.errors)")

            let report = try ToolProcess(["report", result])
            #expect(try report.end() == 0)
            #expect(report.output == "" && report.errors == "uring-bench: wrote \(page)\n")
            let html = try TextFile.read(page)
            #expect(html.hasPrefix("<!DOCTYPE html>") && html.hasSuffix("</html>\n"))
            #expect(html.contains("200 connections held and verified on epoll, every one echoed"))

            let both = try ToolProcess(["report", result, result, "-o", "-"])
            #expect(try both.end() == 0 && both.errors == "")
            #expect(both.output.contains("were not measured in turns"))
        }

        @Test(
            "what cannot be shown or written is said in one line, and nothing is overwritten",
            arguments: [
                ("report", 64, "results"),
                ("report /nonexistent.json", 64, "/nonexistent.json cannot be read: No such file"),
                ("report /tmp", 64, "/tmp cannot be read: Is a directory"),
                ("report /dev/null", 64, "/dev/null cannot be shown: it is empty"),
                ("report /proc/version", 64, "it is not JSON, or was cut off"),
                ("report x.json -o x.json", 64, "--output x.json would overwrite a result"),
            ] as [(String, Int32, String)])
        func refused(arguments: String, code: Int32, message: String) throws {
            let tool = try ToolProcess(arguments.split(separator: " ").map(String.init))
            #expect(try tool.end() == code)
            #expect(tool.output == "")
            #expect(tool.errors.hasPrefix("uring-bench: "))
            #expect(tool.errors.contains(message), "\(tool.errors)")
            #expect(tool.errors.filter { $0 == "\n" }.count == 1)
        }

        @Test(
            "a page that cannot be written ends with the code for it",
            arguments: ["/nonexistent/x.html", "/tmp", "/dev/full"])
        func unwritable(path: String) throws {
            let file = try ResultPath()
            let run = try ToolProcess([
                "--backend", "epoll", "--conns", "20", "--probe", "0", "--hold", "0", "--json",
                file.path,
            ])
            #expect(try run.end() == 0, "\(run.errors)")
            let tool = try ToolProcess(["report", file.path, "--output", path])
            #expect(try tool.end() == 74)
            #expect(tool.errors.hasPrefix("uring-bench: --output \(path): "))
            #expect(tool.errors.filter { $0 == "\n" }.count == 1)
        }
    }
}
