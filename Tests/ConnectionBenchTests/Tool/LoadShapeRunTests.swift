// Each shape of the load once through the whole tool.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite struct LoadShapeRuns {
        /// A short run on one worker per side that must pass.
        private func run(
            _ options: String, backend: BackendKind = .epoll, conns: Int = 200
        ) throws -> (RunResult, text: String) {
            let file = try ResultPath()
            let tool = try ToolProcess(
                [
                    "--backend", backend.rawValue, "--conns", "\(conns)", "--steps", "\(conns)",
                    "--workers", "1", "--processes", "1", "--hold", "0", "--quiet", "--json",
                    file.path,
                ] + options.split(separator: " ").map(String.init))
            #expect(try tool.end() == 0, "\(tool.errors)\(tool.output)")
            return (try file.read(), tool.output)
        }

        private func probe(_ result: RunResult) throws -> ProbeResult {
            try #require(result.steps.last?.probe)
        }

        @Test("the plain run proves that its client was not the bottleneck, or says that it was")
        func plain() throws {
            let (result, text) = try run("--probe 0.5 --rate 500")
            let probe = try probe(result)
            let proof = try #require(probe.generator)
            // The warm-up is in none of them.
            #expect(probe.due == 250 && probe.answered + probe.censored == 250)
            #expect(proof.sendLag.count + UInt64(proof.waitedForConnection) == 250)
            let share = try #require(proof.busyShare)
            #expect(share > 0 && share < 1)
            #expect(proof.isBound != nil && !proof.reason.isEmpty)
            let hasWarned = result.warnings.contains { $0.id == "client-saturated" }
            #expect(hasWarned == (proof.isBound == true))
            #expect(text.contains("; 500 requests/s of 64 B per probe\n"))
            // Nanoseconds and not ticks of 10 ms.
            let clock = probe.processor.serverSeconds * 100
            #expect(clock > 0 && abs(clock - clock.rounded()) > 1e-7)
        }

        @Test("a closed loop says so, and how many connections are active")
        func closed() throws {
            let (result, text) = try run("--probe 0.4 --loop closed --active 2%")
            let probe = try probe(result)
            #expect(probe.offeredPerSecond == 0 && probe.answered > 10)
            #expect(probe.due == probe.sent && probe.answered == probe.due)
            #expect(result.warnings.contains { $0.id == "closed-loop" })
            #expect(
                text.contains(
                    "requests of 64 B per probe, closed loop, 2 % of the connections active"))
            #expect(result.plan.load.loop == .closed && result.plan.load.activeFraction == 0.02)
        }

        @Test("Poisson arrivals in bursts keep the mean rate")
        func poisson() throws {
            let (result, _) = try run("--probe 1 --rate 2k --arrivals poisson --burst 5 --seed 11")
            let probe = try probe(result)
            // 400 bursts in the mean, with a standard deviation of 20.
            #expect(probe.due > 1_500 && probe.due < 2_500 && probe.due % 5 == 0)
            #expect(probe.answered == probe.due && probe.wrongAnswers == 0)
        }

        @Test("several requests on a connection, of several sizes", arguments: BackendKind.tested)
        func pipeline(backend: BackendKind) throws {
            let (result, text) = try run(
                "--probe 0.5 --loop closed --active 0.05 --pipeline 8 --buffer 16k"
                    + " --message 1:50,700:40,16000:10", backend: backend)
            let probe = try probe(result)
            #expect(probe.answered > 100 && probe.answered == probe.due)
            #expect(probe.wrongAnswers == 0)
            // 1,880 bytes in the mean; each answer came back whole.
            let counters = try #require(result.clientCounters)
            #expect(counters.bytesReceived == counters.bytesSent)
            #expect(counters.bytesReceived > 300 * UInt64(probe.answered))
            #expect(text.contains("up to 8 requests on a connection"))
            #expect(result.sweep?.connectionsEchoed == 200)
        }

        @Test(
            "connections are replaced at an even rate, and all are held afterwards",
            arguments: BackendKind.tested)
        func churn(backend: BackendKind) throws {
            let (result, text) = try run(
                "--probe 0.2 --rate 500 --lifetime 1 --churn-seconds 2", backend: backend)
            let churn = try #require(result.churn)
            #expect(churn.wantedPerSecond == 200)
            #expect(churn.closed == 400 && churn.connected == 400)
            #expect(churn.connectLatency.count == 400 && churn.connectFailures.isEmpty)
            #expect(churn.held.verified && churn.held.serverAccepted == 200)
            #expect(churn.probe?.due == 1_000 && churn.probe?.wrongAnswers == 0)
            #expect(result.sweep?.connectionsEchoed == 200)
            #expect(text.contains("\nchurn: 200 closes/s and 200 connects/s of 200 wanted"))
            #expect(!result.warnings.contains { $0.id == "connections-lost" })
        }

        @Test("connections that end in order are replaced too, without any request meanwhile")
        func churnInOrder() throws {
            let (result, _) = try run("--probe 0 --churn 300 --churn-seconds 1 --close fin")
            let churn = try #require(result.churn)
            #expect(churn.closed == 300 && churn.probe == nil && churn.held.verified)
        }

        @Test(
            "after a storm all are back, and every one of them echoes",
            arguments: BackendKind.tested)
        func storm(backend: BackendKind) throws {
            let (result, text) = try run("--probe 0 --storm", backend: backend)
            let storm = try #require(result.storm)
            #expect(storm.connections == 200 && storm.connectLatency.count == 200)
            #expect(storm.seconds > 0 && storm.held.verified)
            #expect(result.clientCounters?.connected == 400)
            #expect(result.sweep?.connectionsEchoed == 200)
            #expect(text.contains("\nstorm: 200 closed in "))
        }

        @Test("a ramp takes the seconds that it was given")
        func rampSeconds() throws {
            let (result, _) = try run("--probe 0 --ramp-seconds 1")
            #expect(result.plan.connectsPerSecond == 200)
            // The last one is due 1/200 s before the end.
            #expect(try #require(result.steps.last).rampSeconds >= 0.99)
        }

        @Test("server work is in the server's processor time of an echo")
        func serverWork() throws {
            let (result, text) = try run("--probe 0.5 --rate 200 --server-work 500")
            #expect(try #require(probe(result).serverMicrosecondsPerEcho) >= 500)
            #expect(text.contains("500 µs of server work per request"))
        }

        @Test("interrupted in a churn, a run closes everything and tells what it did")
        func interrupted() throws {
            let file = try ResultPath()
            let tool = try ToolProcess([
                "--backend", "epoll", "--conns", "200", "--steps", "200", "--probe", "0.2",
                "--churn", "500", "--churn-seconds", "60", "--json", file.path,
            ])
            try tool.says("200 connections,")
            usleep(1_000_000)
            kill(tool.pid, SIGINT)
            #expect(try tool.end() == 130)
            #expect(tool.survivors == [])
            let result = try file.read()
            #expect(!result.complete && result.stopped?.kind == .interrupted)
            let churn = try #require(result.churn)
            #expect(churn.closed > 0 && churn.connected > 0 && !churn.held.verified)
            #expect(result.teardown?.childrenKilled == 0)
        }

        @Test("a plan without tuples for the replacements is refused before anything is opened")
        func tooFewTuples() throws {
            let tool = try ToolProcess([
                "--backend", "epoll", "--conns", "300", "--sources", "1", "--source-ports",
                "20000-20999", "--churn", "200", "--churn-seconds", "5", "--quiet",
            ])
            #expect(try tool.end() == 77)
            #expect(tool.errors.contains("--churn") && tool.errors.contains("there are 1,000"))
            #expect(tool.errors.contains("--sources or --source-ports"))
        }
    }
}
