// Whole runs of the tool on each backend, and with each kernel feature masked.

import ConnectionEngine
import FoundationEssentials
import Glibc
import Testing

@testable import ConnectionBench

extension BackendKind {
    /// All of them, unless a missing io_uring was allowed by name.
    static var tested: [BackendKind] {
        let allowed = getenv("CONNECTION_ENGINE_ALLOW_NO_IO_URING").map { $0[0] == 49 } ?? false
        guard allowed else { return allCases }
        var trial = Configuration(backend: .uring)
        trial.limits.connections = 16
        guard let engine = try? Engine(trial, makeHandler: { _ in IdleHandler() }) else {
            return [.epoll, .threads]
        }
        engine.stop()
        _ = try? engine.join()
        return allCases
    }
}

extension ToolTests {
    @Suite struct BackendRuns {
        @Test(
            "a run is verified, echoes everywhere and leaves nothing", arguments: BackendKind.tested
        )
        func run(backend: BackendKind) throws {
            let file = try ResultPath()
            let tool = try ToolProcess([
                "--backend", backend.rawValue, "--conns", "300", "--probe", "0.3", "--hold", "0.1",
                "--rate", "1k", "--warmup", "0", "--json", file.path,
            ])
            #expect(try tool.end() == 0, "\(tool.errors)\(tool.output)")
            #expect(tool.survivors == [])
            #expect(tool.output.hasSuffix("every connection echoed\n"))

            let result = try file.read()
            #expect(result.complete && result.exitCode == 0 && result.stopped == nil)
            #expect(result.layout?.backend == backend)
            #expect(result.steps.map(\.connections) == [300])
            let step = try #require(result.steps.last)
            #expect(step.verified && step.clientEstablished == 300 && step.serverAccepted == 300)
            #expect(step.connectLatency.count == 300)
            let probe = try #require(step.probe)
            #expect(probe.due == 300 && probe.answered + probe.censored == 300)
            #expect(probe.wrongAnswers == 0 && probe.latency.count == 300)
            let sweep = try #require(result.sweep)
            #expect(sweep.connectionsEchoed == 300 && sweep.neverEchoed == 0)
            #expect(result.hold?.connectionsLost == 0)
            #expect(result.teardown?.connections == 300 && result.teardown?.childrenKilled == 0)
            let server = try #require(result.serverCounters)
            let client = try #require(result.clientCounters)
            #expect(server.accepted == 300 && client.connected == 300)
            // Every request was echoed: those of the probe and one of the sweep for each.
            #expect(client.bytesReceived == 600 * 64)
        }

        @Test("every step of the ladder is measured", arguments: BackendKind.tested)
        func steps(backend: BackendKind) throws {
            let file = try ResultPath()
            let tool = try ToolProcess([
                "--backend", backend.rawValue, "--conns", "400", "--steps", "1,7,100", "--probe",
                "0.1", "--rate", "500", "--hold", "0", "--close", "fin", "--quiet", "--json",
                file.path,
            ])
            #expect(try tool.end() == 0, "\(tool.errors)\(tool.output)")
            #expect(tool.errors == "")
            let result = try file.read()
            #expect(result.steps.map(\.connections) == [1, 7, 100, 400])
            #expect(result.steps.map(\.connectionsAdded) == [1, 6, 93, 300])
            for step in result.steps {
                #expect(step.verified)
                // With fewer connections than workers some of these have nothing to offer.
                #expect(step.probe.map { $0.due == $0.answered } == true, "\(step)")
            }
        }

        @Test("with --json - standard output is pure JSON")
        func pureJSON() throws {
            let tool = try ToolProcess([
                "--backend", "epoll", "--conns", "100", "--probe", "0", "--hold", "0", "--json",
                "-",
            ])
            #expect(try tool.end() == 0)
            let data = Data(tool.output.utf8)
            let result = try JSONDecoder().decode(RunResult.self, from: data)
            #expect(result.complete && tool.output.hasPrefix("{"))
        }

        @Test("messages larger than a piece arrive whole", arguments: BackendKind.tested)
        func largeMessages(backend: BackendKind) throws {
            let tool = try ToolProcess([
                "--backend", backend.rawValue, "--conns", "50", "--probe", "0.2", "--rate", "200",
                "--hold", "0", "--message", "200k", "--buffer", "256k", "--workers", "1",
            ])
            #expect(try tool.end() == 0, "\(tool.errors)\(tool.output)")
        }

        @Test(
            "a masked feature is done without, and the result says so",
            .enabled(if: BackendKind.tested.contains(.uring), "io_uring is missing here"),
            arguments: URingFeatures.all.names)
        func masked(feature: String) throws {
            let file = try ResultPath()
            let tool = try ToolProcess([
                "--backend", "uring", "--mask", feature, "--conns", "200", "--probe", "0.2",
                "--rate", "1k", "--hold", "0", "--json", file.path,
            ])
            #expect(try tool.end() == 0, "\(tool.errors)\(tool.output)")
            let result = try file.read()
            #expect(result.steps.last?.verified == true)
            #expect(result.layout?.fallbacks.isEmpty == false)
            #expect(result.warnings.contains { $0.id == "missing-feature" })
        }
    }
}
