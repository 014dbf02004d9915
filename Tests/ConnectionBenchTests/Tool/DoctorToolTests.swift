// `uring-bench doctor --fix-script` and `--pid`: what is on which stream, and the exit codes.

import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite struct DoctorCommands {
        private static let fixScript = ["doctor", "--no-calibration", "--quiet", "--fix-script"]

        @Test("the script is alone on standard output, and a shell understands it")
        func script() throws {
            // Kernels come with fewer threads than four million, or with fewer pids.
            let tool = try ToolProcess(
                Self.fixScript + ["--backend", "threads", "--conns", "2000000"])
            let code = try tool.end()
            #expect(
                tool.output.hasPrefix("#!/bin/sh\n") && tool.output.hasSuffix("exit \"$failed\"\n"))
            #expect(tool.output.contains("kernel.pid_max") || tool.output.contains("threads-max"))
            let folder = try FixtureDirectory(["/fix.sh": tool.output])
            #expect(try Subprocess.run(["sh", "-n", folder.path + "/fix.sh"]) == 0)
            // What no sysctl moves is said, and decides the code.
            let lines = tool.errors.split(separator: "\n")
            #expect(lines.allSatisfy { $0.hasPrefix("uring-bench: still in the way: ") })
            #expect(code == (lines.isEmpty ? 0 : 77), "\(tool.errors)")
        }

        @Test("where nothing is in the way there is no script")
        func nothing() throws {
            let tool = try ToolProcess(Self.fixScript + ["--backend", "epoll", "--conns", "10"])
            #expect(try tool.end() == 0)
            #expect(tool.output == "")
            #expect(
                tool.errors
                    == "uring-bench: nothing to change: no sysctl keeps 10 connections from "
                    + "fitting\n")
        }

        @Test("a running process is looked at, as text and as JSON")
        func process() throws {
            let sleeper = try Subprocess.spawn(["sleep", "1000"])
            defer {
                kill(sleeper, SIGKILL)
                waitpid(sleeper, nil, 0)
            }
            let file = try ResultPath()
            let tool = try ToolProcess(["doctor", "--pid", "\(sleeper)", "--json", file.path])
            #expect(try tool.end() == 0, "\(tool.errors)")
            #expect(tool.output.hasPrefix("Process \(sleeper) (sleep) of user \(geteuid())\n"))
            #expect(tool.output.hasSuffix("\n") && !tool.output.hasSuffix("\n\n"))
            #expect(tool.errors == "")
            let report = try file.read(ForeignReport.self)
            #expect(report.schema == "uring-bench.process" && report.schemaVersion == "1.0")
            #expect(report.facts.pid == sleeper && !report.isFull)

            // Its three standard streams are all that it may have.
            try #require(
                try Subprocess.run(["prlimit", "--pid", "\(sleeper)", "--nofile=3:3"]) == 0)
            let full = try ToolProcess(["doctor", "--pid", "\(sleeper)"])
            #expect(try full.end() == 77)
            #expect(full.output.contains("can take no more"))
        }

        @Test("a process that is not there is one line")
        func vanished() throws {
            let gone = try Subprocess.spawn(["true"])
            waitpid(gone, nil, 0)
            let tool = try ToolProcess(["doctor", "--pid", "\(gone)"])
            #expect(try tool.end() == 1)
            #expect(tool.output == "")
            #expect(tool.errors == "uring-bench: --pid \(gone): there is no process \(gone)\n")
        }
    }
}
