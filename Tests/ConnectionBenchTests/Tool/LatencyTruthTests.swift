// Latency against arithmetic: a server that stalls on purpose, measured in an open and a closed
// loop.

import ConnectionEngine
import Testing

@testable import ConnectionBench

extension ToolTests {
    /// A server whose only worker sleeps 100 ms every second.
    ///
    /// A request that comes x after the start of a stall of length S waits S - x. Requests that come
    /// evenly in time wait longer than w with probability (S - w) / P, P being the period. So the
    /// p99 is where that is 1 %: w = S - 0.01 P = 90 ms. Whole periods make it exact.
    @Suite struct LatencyTruth {
        static let stall = 0.1
        static let period = 1.0
        static let p99 = (stall - 0.01 * period) * 1e9

        private func probe(_ options: String, _ backend: BackendKind) throws -> ProbeResult {
            let file = try ResultPath()
            let tool = try ToolProcess(
                [
                    "--backend", backend.rawValue, "--workers", "1", "--processes", "1", "--probe",
                    "5", "--hold", "0", "--server-stall", "100ms/1s", "--quiet", "--json",
                    file.path,
                ] + options.split(separator: " ").map(String.init))
            #expect(try tool.end() == 0, "\(tool.errors)\(tool.output)")
            return try #require(try file.read().steps.last?.probe)
        }

        /// Another program of a busy machine can stall this server too, for longer than we do.
        /// That makes a figure larger, never the arithmetic right by chance, so the best of up to
        /// three runs counts.
        private func best(
            _ options: String, _ backend: BackendKind, _ isRight: (ProbeResult) -> Bool
        ) throws -> ProbeResult {
            for _ in 0..<2 {
                let probe = try probe(options, backend)
                if isRight(probe) { return probe }
            }
            return try probe(options, backend)
        }

        @Test(
            "p99 from the due time is what arithmetic says, within 10 %",
            arguments: BackendKind.tested)
        func openLoop(backend: BackendKind) throws {
            let range = 0.9 * Self.p99...1.1 * Self.p99
            // 100 requests come in a stall, each on a connection of its own.
            let probe = try best("--conns 300 --steps 300 --rate 1k", backend) {
                range.contains(Double($0.latency.p99Nanoseconds))
            }
            #expect(probe.due == 5_000 && probe.latency.count == 5_000)
            #expect(
                range.contains(Double(probe.latency.p99Nanoseconds)),
                "p99 is \(probe.latency.p99Nanoseconds) ns, 90 ms by arithmetic")
            // Nine of ten requests meet no stall.
            #expect(probe.latency.p50Nanoseconds < 20_000_000)
        }

        @Test(
            "the same server in a closed loop looks far better than it is",
            arguments: BackendKind.tested)
        func closedLoop(backend: BackendKind) throws {
            // Each of the 8 connections has one request in a stall, among thousands without.
            let probe = try best(
                "--conns 8 --steps 8 --loop closed", backend
            ) { Double($0.latency.p99Nanoseconds) < 0.2 * Self.p99 }
            #expect(
                Double(probe.latency.p99Nanoseconds) < 0.2 * Self.p99,
                "p99 is \(probe.latency.p99Nanoseconds) ns, 90 ms by arithmetic")
            // The stalls were there all the same.
            #expect(Double(probe.latency.maxNanoseconds) > 0.9 * Self.p99)
        }
    }
}
