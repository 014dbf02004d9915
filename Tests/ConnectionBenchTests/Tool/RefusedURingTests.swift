// io_uring forbidden by the kernel: refused by name, or replaced and said so.

import Testing

@testable import ConnectionBench

let hasStrace = (try? Subprocess.run(["strace", "-o", "/dev/null", "true"])) == 0

extension ToolTests {
    @Suite(.enabled(if: hasStrace, "strace is missing, or may not trace"))
    struct RefusedURing {
        private func strace(_ error: String) -> [String] {
            [
                "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=io_uring_setup", "-e",
                "inject=io_uring_setup:error=\(error)",
            ]
        }

        @Test("--backend uring is refused in one line", arguments: ["EPERM", "ENOSYS"])
        func refused(error: String) throws {
            let file = try ResultPath()
            let tool = try ToolProcess(
                ["--backend", "uring", "--conns", "100", "--json", file.path],
                wrapper: strace(error))
            #expect(try tool.end() == 69)
            #expect(tool.errors.filter { $0 == "\n" }.count == 1, "\(tool.errors)")
            #expect(tool.errors.contains(error) && tool.errors.contains("--backend epoll"))
            #expect(tool.output == "" && tool.survivors == [])
            #expect(try file.read().exitCode == 69)
        }

        @Test("--backend auto takes epoll and warns", arguments: ["EPERM", "ENOSYS"])
        func fallback(error: String) throws {
            let file = try ResultPath()
            let tool = try ToolProcess(
                [
                    "--backend", "auto", "--conns", "100", "--probe", "0.1", "--rate", "1k",
                    "--hold", "0", "--json", file.path,
                ], wrapper: strace(error))
            #expect(try tool.end() == 0, "\(tool.errors)")
            let result = try file.read()
            #expect(result.complete && result.layout?.backend == .epoll)
            let warning = result.warnings.first { $0.id == "fallback-backend" }
            #expect(warning?.message.contains(error) == true)
            #expect(tool.output.contains("[fallback-backend]"))
        }
    }
}
