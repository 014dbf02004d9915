// Metrics as scrapers and their tools read them.

import Testing

@testable import ConnectionBench

@Suite struct MetricsTests {
    static let families: [MetricFamily] = {
        var counter = MetricFamily(
            "bytes_sent_bytes", kind: .counter, unit: "bytes", "Sent\nwith a \\ in it.")
        counter.add(3, ("side", "a\"b\\c\nd"))
        return [
            counter, MetricFamily("ratio", "A ratio.", .nan),
            MetricFamily("empty", "Without a sample."),
        ]
    }()

    @Test("a counter is named as each of the two texts wants it")
    func texts() {
        #expect(
            MetricsText.openMetrics(Self.families) == """
                # TYPE uring_bench_bytes_sent_bytes counter
                # UNIT uring_bench_bytes_sent_bytes bytes
                # HELP uring_bench_bytes_sent_bytes Sent\\nwith a \\\\ in it.
                uring_bench_bytes_sent_bytes_total{side="a\\"b\\\\c\\nd"} 3
                # TYPE uring_bench_ratio gauge
                # HELP uring_bench_ratio A ratio.
                uring_bench_ratio NaN
                # EOF

                """)
        #expect(
            MetricsText.prometheus(Self.families) == """
                # HELP uring_bench_bytes_sent_bytes_total Sent\\nwith a \\\\ in it.
                # TYPE uring_bench_bytes_sent_bytes_total counter
                uring_bench_bytes_sent_bytes_total{side="a\\"b\\\\c\\nd"} 3
                # HELP uring_bench_ratio A ratio.
                # TYPE uring_bench_ratio gauge
                uring_bench_ratio NaN

                """)
    }

    /// A run that goes on, with all that it may tell.
    static var live: LiveMetrics {
        var live = LiveMetrics()
        live.apply(.started(MadeUpResult.complete))
        live.apply(.phase(RunPhaseStart(seconds: 1, phase: .probe, target: 1_000)))
        var interval = RunInterval(
            seconds: 2, phase: .probe, target: 1_000, memoryFloorBytes: 1 << 30)
        interval.connections = 1_000
        interval.totals.opened = 1_234
        interval.p50Nanoseconds = 150_000
        interval.p99Nanoseconds = 2_000_000
        interval.machineBusyShare = 0.5
        interval.memoryUsableBytes = 5 << 30
        live.apply(.interval(interval))
        live.apply(.step(MadeUpResult.step, seconds: 2.5))
        live.apply(.warning(RunWarning(id: "steal", message: ""), seconds: 3))
        return live
    }

    @Test("a run that goes on tells its phase, its seconds and the steps so far")
    func live() {
        let text = MetricsText.openMetrics(Self.live.families)
        for line in [
            "uring_bench_phase{phase=\"probe\"} 1", "uring_bench_phase{phase=\"ramp\"} 0",
            "uring_bench_connections{side=\"client\"} 1000", "uring_bench_connects_total 1234",
            "uring_bench_echo_latency_p50_seconds 0.00015", "uring_bench_machine_busy_ratio 0.5",
            "uring_bench_governor_level{level=\"green\"} 1", "uring_bench_warning{id=\"steal\"} 1",
            "uring_bench_step_verified{step=\"1000\"} 1",
            "uring_bench_step_echo_latency_seconds_count{step=\"1000\"} 2000",
        ] {
            #expect(text.contains("\n" + line + "\n"), "\(line)")
        }
        #expect(!text.contains("run_complete"))
        #expect(MetricsText.openMetrics(LiveMetrics().families) == "# EOF\n")
    }

    @Test("a run that is over tells how it ended, and no phase")
    func over() {
        var live = Self.live
        live.apply(.ended(MadeUpResult.complete))
        let text = MetricsText.openMetrics(live.families)
        #expect(text.contains("\nuring_bench_run_complete 1\n"))
        #expect(!text.contains("uring_bench_phase{phase=\"probe\"} 1"))
    }

    @Test(
        "promtool finds nothing to complain of",
        .enabled(if: Python.hasPromtool, Python.missing))
    func promtool() throws {
        let texts = [
            MetricsText.prometheus(Self.live.families),
            ResultText.prometheus(MadeUpResult.complete),
        ]
        for text in texts {
            let folder = try FixtureDirectory(["/metrics": text, "/says": ""])
            let code = try Subprocess.run([
                "sh", "-c", "promtool check metrics <\"$0/metrics\" >\"$0/says\" 2>&1", folder.path,
            ])
            let says = try TextFile.read(folder.path + "/says")
            #expect(code == 0 && says == "", "\(says)")
        }
    }

    @Test(
        "Prometheus' own parser takes the OpenMetrics text",
        .enabled(if: Python.isReady, Python.missing))
    func parser() throws {
        let program = """
            import sys
            from prometheus_client.openmetrics.parser import text_string_to_metric_families
            for family in text_string_to_metric_families(open(sys.argv[1]).read()):
                print(family.name, family.type, family.unit, len(family.samples))
            """
        let folder = try FixtureDirectory([
            "/metrics": MetricsText.openMetrics(Self.live.families)
        ])
        let lines = try Python.output(program, [folder.path + "/metrics"]).split(separator: "\n")
        #expect(lines.contains("uring_bench_processor_seconds counter seconds 2"))
        #expect(lines.contains("uring_bench_step_echo_latency_seconds summary seconds 8"))
        #expect(lines.contains("uring_bench_connects counter  1"))
    }
}

@Suite struct MetricsAnswerTests {
    private func answer(_ head: String) -> String {
        MetricsAnswer(to: head, [MetricFamily("x", "X.", 1)]).text
    }

    @Test("a scraper gets OpenMetrics, and Prometheus' own text where it asks for that alone")
    func types() {
        let plain = answer("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(plain.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(
            plain.contains(
                "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"))
        #expect(
            plain.hasSuffix(
                "\r\n\r\n# TYPE uring_bench_x gauge\n# HELP uring_bench_x X.\n"
                    + "uring_bench_x 1\n# EOF\n"))
        let old = answer("GET /metrics?a=b HTTP/1.1\r\nACCEPT: text/plain;version=0.0.4\r\n\r\n")
        #expect(old.contains("Content-Type: text/plain; version=0.0.4") && !old.contains("# EOF"))
        let both = answer(
            "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text, text/plain\r\n\r\n")
        #expect(both.hasSuffix("# EOF\n"))
    }

    @Test(
        "anything else is refused",
        arguments: [
            ("GET / HTTP/1.1", "404 Not Found"), ("GET /metricsx HTTP/1.1", "404 Not Found"),
            ("POST /metrics HTTP/1.1", "405 Method Not Allowed"), ("nonsense", "400 Bad Request"),
            ("", "400 Bad Request"), ("GET /metrics SMTP/1", "400 Bad Request"),
            (" HEAD /metrics HTTP/1.1", "400 Bad Request"),
            ("GET  /metrics HTTP/1.1", "400 Bad Request"),
        ])
    func refused(line: String, status: String) {
        #expect(answer(line + "\r\n\r\n").hasPrefix("HTTP/1.1 \(status)\r\n"))
    }

    @Test("HEAD gets the head alone, with the length of what is left out")
    func head() {
        let text = answer("HEAD /metrics HTTP/1.1\r\n\r\n")
        #expect(text.hasSuffix("\r\n\r\n") && !text.contains("Content-Length: 0"))
    }
}
