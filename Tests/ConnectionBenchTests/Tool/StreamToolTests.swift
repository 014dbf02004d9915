// Those who follow a run while it goes on: readers of its stream, and scrapers.

import FoundationEssentials
import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite struct Streams {
        private static let short = [
            "--backend", "epoll", "--conns", "200", "--probe", "1.2", "--rate", "1k", "--hold", "1",
            "--quiet",
        ]

        private struct Line: Decodable {
            var event: String
            var seconds: Double
            var phase: String?
            var connections: Int?
            var p99Nanoseconds: UInt64?
            var complete: Bool?
            var linesDropped: Int?
        }

        @Test("the stream tells the whole run in order, and has standard output for itself")
        func stream() throws {
            let tool = try ToolProcess(Self.short + ["--stream", "-"])
            #expect(try tool.end() == 0, "\(tool.errors)")
            let lines = try tool.output.split(separator: "\n").map {
                try JSONDecoder().decode(Line.self, from: Data($0.utf8))
            }
            #expect(lines.first?.event == "start" && lines.last?.event == "end")
            #expect(lines.last?.complete == true && lines.last?.linesDropped == 0)
            #expect(lines.last?.connections == 200)
            #expect(
                lines.compactMap { $0.event == "phase" ? $0.phase : nil }
                    == ["ramp", "probe", "sweep", "hold", "close"])
            #expect(lines.count { $0.event == "step" } == 1)
            let intervals = lines.filter { $0.event == "interval" }
            #expect(intervals.count >= 2)
            #expect(intervals.contains { $0.connections == 200 && $0.p99Nanoseconds != nil })
            // The two threads that tell may be as far apart as a line takes.
            for (one, next) in zip(lines, lines.dropFirst()) {
                #expect(next.seconds >= one.seconds - 0.1)
            }
        }

        @Test("a reader that goes away does not end the run")
        func readerGone() throws {
            let tool = try ToolProcess(
                Self.short + ["--stream", "-"],
                wrapper: ["bash", "-c", "set -o pipefail; \"$0\" \"$@\" | head -n 1"])
            // Of the tool, since head has none.
            #expect(try tool.end() == 0, "\(tool.errors)")
            #expect(tool.output.hasPrefix("{") && tool.output.contains("\"event\":\"start\""))
            #expect(
                tool.errors
                    == "uring-bench: --stream -: its reader has gone away; the run goes on\n")
        }

        @Test("a place that cannot be written is found before the run")
        func unwritable() throws {
            let tool = try ToolProcess(["--conns", "50k", "--stream", "/nonexistent/s"])
            #expect(try tool.end() == 74)
            #expect(
                tool.errors
                    == "uring-bench: --stream /nonexistent/s: No such file or directory; name a"
                    + " file in a directory that can be written\n")
        }
    }

    @Suite struct Metrics {
        /// What a scraper of this machine gets.
        private func get(_ port: UInt16, _ request: String) throws -> String {
            let fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            defer { close(fd) }
            try #require(PlainSocket.connect(fd, to: .loopback(port: port)) == 0)
            let bytes = Array(request.utf8)
            #expect(send(fd, bytes, bytes.count, CInt(MSG_NOSIGNAL)) == bytes.count)
            var answer: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = recv(fd, &buffer, buffer.count, 0)
                if count <= 0 { break }
                answer += buffer[..<count]
            }
            return String(decoding: answer, as: UTF8.self)
        }

        private func port(_ tool: ToolProcess) throws -> UInt16 {
            try tool.says("metrics: http://127.0.0.1:")
            let digits = tool.errors.split(separator: "127.0.0.1:")[1].prefix { $0.isNumber }
            return try #require(UInt16(digits))
        }

        @Test("a scrape in the midst of a run tells its connections, and holds nothing up")
        func scrape() throws {
            let tool = try ToolProcess(
                [
                    "--backend", "epoll", "--conns", "300", "--probe", "0", "--hold", "4",
                    "--metrics", "0",
                ], isolated: false)
            let port = try port(tool)
            try tool.says("echoed on all 300")
            // A scraper that says nothing and one that is slow take no run's time.
            var text = ""
            try tool.wait("a scrape with the connections") {
                usleep(100_000)
                text = (try? get(port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")) ?? ""
                return text.contains("uring_bench_connections{side=\"server\"} 300\n")
            }
            #expect(
                text.hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text;"))
            #expect(text.hasSuffix("\n# EOF\n"))
            #expect(text.contains("\nuring_bench_phase{phase=\"hold\"} 1\n"))
            #expect(text.contains("\nuring_bench_step_verified{step=\"300\"} 1\n"))
            #expect(try get(port, "GET /x HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 404 "))
            #expect(try tool.end() == 0, "\(tool.errors)")
        }

        @Test("a port that is taken is said before the run, with what to do")
        func taken() throws {
            let first = try MetricsServer(port: 0)
            defer { first.stop() }
            let tool = try ToolProcess(
                ["--conns", "50k", "--metrics", "\(first.port)"], isolated: false)
            #expect(try tool.end() == 74)
            #expect(tool.errors.hasPrefix("uring-bench: --metrics \(first.port): "))
            #expect(
                tool.errors.contains("EADDRINUSE") && tool.errors.contains("another port, or 0"))
        }
    }
}
