// A short soak on each backend, one that is interrupted, and wrong flags.

import ConnectionEngine
import FoundationEssentials
import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite struct Soaks {
        private func expectKept(_ result: SoakResult) {
            for check in result.checks {
                #expect(check.holds, "\(check.kind.title): \(check.firstFailure ?? "")")
            }
        }

        private func values(_ name: String, _ result: SoakResult) throws -> [Double?] {
            let series = result.series.first { $0.name == name }
            return try #require(series, "\(name)").values
        }

        @Test(
            "500 connections are held while 50 a second are replaced, and all adds up",
            arguments: BackendKind.tested)
        func short(backend: BackendKind) throws {
            let file = try ResultPath()
            let tool = try ToolProcess([
                "soak", "--backend", backend.rawValue, "--conns", "500", "--churn", "50", "--for",
                "6s", "--rate", "500", "--active", "10%", "--json", file.path,
            ])
            let code = try tool.end(seconds: 120)
            let result = try file.read(SoakResult.self)
            // Six seconds show no slope of memory, unless one is steep.
            #expect(result.status == .cannotTell && code == 1, "\(tool.errors)\(tool.output)")
            expectKept(result)
            #expect(Set(result.checks.map(\.kind)) == Set(SoakCheck.Kind.allCases))
            #expect(result.complete && result.stopped == nil)
            // On a busy machine the pauses between the slices take their time.
            #expect(result.samples >= 1 && result.times.count == result.samples)
            #expect(result.load.replaced == result.load.retired)
            #expect(result.load.replaced >= 50 * (result.samples - 1))
            #expect(result.load.answered > 0 && result.load.wrongAnswers == 0)
            #expect(result.load.closesUnasked == 0 && result.lag.serverMaxNanoseconds != nil)
            #expect(try values("server connections", result).allSatisfy { $0 == 500 })
            #expect(try values("client slots in use", result).allSatisfy { $0 == 500 })
            #expect(try values("server 0 memory", result).allSatisfy { ($0 ?? 0) > 1e6 })
            #expect(result.sweep?.connectionsEchoed == 500)
            #expect(result.teardown?.childrenKilled == 0 && tool.survivors == [])
            #expect(tool.output.contains("CANNOT TELL") && tool.output.contains("--for "))
            if Python.isReady {
                #expect(try SchemaCheck.complaints(TextFile.read(file.path)) == "")
            }
        }

        @Test(
            "without churn and without direct descriptors it holds as well",
            .enabled(if: BackendKind.tested.contains(.uring), "io_uring is forbidden here"))
        func holding() throws {
            let file = try ResultPath()
            let tool = try ToolProcess([
                "soak", "--backend", "uring", "--conns", "300", "--churn", "0", "--for", "2s",
                "--active", "1%", "--rate", "100", "--mask", "directDescriptors", "--netns",
                "loopback", "--json", file.path, "--quiet",
            ])
            try tool.end(seconds: 120)
            let result = try file.read(SoakResult.self)
            expectKept(result)
            #expect(result.complete && result.load.replaced == 0 && result.load.answered > 0)
            #expect(tool.errors == "")
        }

        @Test("interrupted in the midst it closes everything and writes what it has seen")
        func interrupted() throws {
            let file = try ResultPath()
            let tool = try ToolProcess([
                "soak", "--backend", "epoll", "--conns", "200", "--churn", "100", "--for", "10m",
                "--every", "500ms", "--rate", "200", "--json", file.path,
            ])
            try tool.says("echoed on all 200 connections")
            usleep(2_500_000)
            kill(tool.pid, SIGINT)
            #expect(try tool.end() == 130)
            #expect(tool.survivors == [])
            let result = try file.read(SoakResult.self)
            #expect(!result.complete && result.stopped?.kind == .interrupted)
            #expect(result.status == .incomplete && result.exitCode == 130)
            #expect(result.samples >= 1 && result.times.count == result.samples)
            #expect(result.seconds > 0 && result.seconds < 60)
            #expect(result.teardown?.childrenKilled == 0)
            expectKept(result)
            #expect(tool.output.contains("INCOMPLETE ended after"))
        }

        @Test("a loop that is later than allowed ends with 99")
        func late() throws {
            let file = try ResultPath()
            let tool = try ToolProcess([
                "soak", "--backend", "epoll", "--conns", "100", "--for", "2s", "--rate", "100",
                "--max-lag", "1ms", "--json", file.path,
            ])
            let code = try tool.end(seconds: 120)
            let result = try file.read(SoakResult.self)
            // On a machine with nothing else to do it may be on time.
            let isLate = result.lag.maxNanoseconds > 1_000_000
            #expect(code == (isLate ? 99 : 1) && result.status == (isLate ? .late : .cannotTell))
        }

        @Test("a wall is met as by a run")
        func wall() throws {
            let tool = try ToolProcess([
                "soak", "--backend", "threads", "--conns", "500000", "--for", "1h",
            ])
            #expect(try tool.end() == 77)
            #expect(tool.errors.contains("threads cannot hold 500,000"))
        }
    }
}
