// The page: what it says, what it shows, and that nothing in it comes from outside.

import Testing

@testable import BenchReport
@testable import ConnectionBench

@Suite("Report")
struct ReportTests {
    private func page(_ inputs: [ReportInput]) -> String {
        Report(inputs, madeBy: "uring-bench 0").html
    }

    @Test("the headline of a run that passed is its answer")
    func headline() {
        var run = Made.run(.uring, steps: [1_000, 500_000])
        run.complete = true
        run.sweep = SweepResult()
        run.steps[1].kernelBytesPerConnection = 8_175.4
        run.steps[1].probe?.latency.p99Nanoseconds = 295_400
        #expect(
            Headline.sentence(of: run)
                == "500,000 connections held and verified on io_uring, every one echoed;"
                + " 8,175 B of kernel memory each; p99 295.4 µs at 10,000 requests/s.")
    }

    @Test("a wall is named with its proof and its remedy")
    func wall() {
        var run = Made.run(.epoll, steps: [1_000, 19_900])
        run.plan.climbsToWall = true
        run.stopped = StopReason(kind: .wall, message: "the wall is near", exitCode: 77)
        run.prediction = Prediction(.made(.descriptors, at: 19_900))
        run.prediction?.reached = 19_900
        run.verdict = Verdict(
            .descriptors, .client, .high, proof: ["EMFILE 12 times"],
            remedy: "ulimit -n 100000 (systemd: LimitNOFILE=), or --backend uring")
        let html = page([ReportInput(name: "w.json", .run(run))])
        #expect(html.contains(">WALL<"))
        #expect(html.contains("at the wall (file descriptors of a process)"))
        #expect(html.contains("<li>EMFILE 12 times</li>"))
        #expect(html.contains("ulimit -n 100000 (systemd: LimitNOFILE=), or --backend uring."))
        #expect(html.contains("<code>ulimit -n 100000</code>"))
        #expect(Remedy("more memory, or a lower --memory-floor").command == nil)
        #expect(Remedy("sysctl -w a=\"1 2\"").command == "sysctl -w a=\"1 2\"")
    }

    @Test("a run that was stopped before its end is called incomplete")
    func incomplete() {
        var run = Made.run(.uring, steps: [1_000])
        run.plan.connections = 20_000
        run.stopped = StopReason(kind: .interrupted, message: "stopped by SIGINT", exitCode: 130)
        let html = page([ReportInput(name: "i.json", .run(run))])
        #expect(html.contains(">INCOMPLETE<"))
        #expect(html.contains("1,000 of 20,000 connections verified"))
        #expect(html.contains("Stopped by SIGINT"))
    }

    @Test("a run without steps still makes a page, and says that nothing was measured")
    func noSteps() {
        var run = Made.run(.uring, steps: [])
        run.layout = nil
        run.stopped = StopReason(kind: .machineUnfit, message: "io_uring is off", exitCode: 69)
        let html = page([ReportInput(name: "n.json", .run(run))])
        #expect(html.contains("Nothing was measured"))
        #expect(html.contains("Latency was not measured"))
        #expect(!html.contains("data-chart"))
    }

    @Test("a result without probes says so, and shows the processor time of the connecting")
    func noProbe() {
        var run = Made.run(.uring, steps: [1_000, 2_000])
        for index in run.steps.indices { run.steps[index].probe = nil }
        let html = page([ReportInput(name: "p.json", .run(run))])
        #expect(html.contains("Latency was not measured"))
        #expect(html.contains("Processor time while connecting"))
        #expect(html.contains("data-chart=\"processor\""))
        #expect(!html.contains("data-chart=\"latency\""))
    }

    @Test("steps without a probe among others are counted in the note, not drawn as 0")
    func someProbes() {
        var run = Made.run(.uring, steps: [1_000, 2_000, 5_000])
        run.steps[1].probe = nil
        let html = page([ReportInput(name: "p.json", .run(run))])
        #expect(html.contains("1 of 3 steps have no probe and are not drawn."))
    }

    @Test("one step is enough for every chart")
    func oneStep() {
        let html = page([ReportInput(name: "o.json", .run(Made.run(.uring, steps: [1_000])))])
        for chart in Made.chartsOfOneRun { #expect(html.contains("data-chart=\"\(chart)\"")) }
    }

    @Test("numbers at the ends of their range do not trap and do not become NaN")
    func hugeNumbers() {
        var run = Made.run(.uring, steps: [1, 100_000_000_000])
        run.steps[1].connectsPerSecond = .infinity
        run.steps[1].kernelBytesPerConnection = .nan
        run.steps[1].probe?.latency.p50Nanoseconds = .max
        run.steps[1].probe?.latency.p999Nanoseconds = .max
        run.steps[1].probe?.offeredPerSecond = 1e300
        run.steps[1].probe?.processor.serverSeconds = .nan
        run.steps[1].serverUserBytes = .max
        run.ramp?.lastToFirstRatio = .infinity
        run.ramp?.points.append(RampTimeline.Point(connections: .max, seconds: .infinity))
        let html = page([ReportInput(name: "h.json", .run(run))])
        let drawn = html.split(separator: "<svg").dropFirst().joined()
        #expect(!drawn.contains("nan"))
        #expect(!drawn.contains("inf\""))
    }

    @Test("text from a result cannot become markup")
    func escaping() {
        let attack = "</title></style></script><script>alert(1)</script><img src=x onerror=\"y\">'&"
        var run = Made.run(.uring, steps: [1_000])
        run.commandLine = ["uring-bench", attack]
        run.host.processorModel = attack
        run.warnings = [RunWarning(id: attack, message: attack)]
        run.stopped = StopReason(kind: .wall, message: attack, exitCode: 1)
        run.verdict = Verdict(.ports, .client, .low, proof: [attack], remedy: attack)
        run.startedAt = attack
        run.governor = [Made.transition(attack)]
        var set = Made.set(["uring", attack], runs: 2)
        set.warnings = run.warnings
        let html = page([
            ReportInput(name: attack, .run(run)), ReportInput(name: "s\(attack)", .set(set)),
        ])
        #expect(html.components(of: "<script>") == 1)
        #expect(html.components(of: "</style>") == 1)
        #expect(!html.contains("<img"))
        #expect(html.contains("&lt;script&gt;alert(1)"))
    }

    @Test("the page names no address, loads nothing, and is far below 2 MB")
    func selfContained() throws {
        let html = page([
            ReportInput(name: "a.json", .run(Made.run(.uring, steps: Made.manySteps))),
            ReportInput(name: "s.json", .set(Made.set(["uring", "epoll", "threads"], runs: 5))),
        ])
        for outside in [
            "http://", "https://", "//www", "@import", "url(", " src=", "<link rel=\"s",
        ] {
            #expect(!html.contains(outside), "\(outside)")
        }
        #expect(html.utf8.count < 2_000_000)
    }

    @Test("ids are unique, and every reference to one has its target")
    func identifiers() {
        let html = page([
            ReportInput(name: "a.json", .run(Made.run(.uring, steps: [1_000, 2_000]))),
            ReportInput(name: "b.json", .run(Made.run(.epoll, steps: [1_000, 2_000]))),
            ReportInput(name: "s.json", .set(Made.set(["uring", "epoll"], runs: 3))),
        ])
        let ids = html.values(of: " id=\"")
        #expect(ids.count == Set(ids).count)
        let references = html.values(of: "aria-labelledby=\"").flatMap { $0.split(separator: " ") }
        #expect(!references.isEmpty)
        for reference in references { #expect(ids.contains(String(reference))) }
    }

    @Test("several files are shown together, with the caution that they were not in turns")
    func severalFiles() {
        let html = page([
            ReportInput(name: "a.json", .run(Made.run(.uring, steps: [1_000, 2_000]))),
            ReportInput(name: "b.json", .run(Made.run(.uring, steps: [1_000, 2_000]))),
        ])
        #expect(html.contains("were not measured in turns"))
        #expect(html.contains("data-chart=\"latency-p99\""))
        #expect(html.contains("data-chart=\"memory-1\""))
    }

    @Test("a set says its verdicts in words, each with its ratio")
    func sets() {
        let html = page([
            ReportInput(name: "s.json", .set(Made.set(["uring", "epoll"], runs: 3)))
        ])
        #expect(!html.contains("were not measured in turns"))
        #expect(html.contains("epoll against io_uring at 2,000 connections"))
        #expect(html.contains("better in echo p99 ×0.80"))
        #expect(html.contains("worse in kernel bytes per connection ×1.20"))
        #expect(html.contains("cannot tell for server CPU per echo"))
        #expect(html.contains("data-chart=\"side-0-p99\""))
        #expect(html.contains("×0.80 faster"))
        #expect(html.contains("×1.20 more"))
    }

    @Test("a set without comparisons or without runs is shown all the same")
    func poorSets() {
        var set = Made.set(["uring", "epoll"], runs: 1)
        set.comparisons = []
        #expect(page([ReportInput(name: "s.json", .set(set))]).contains("2 runs, not compared"))
        set.runs = []
        #expect(page([ReportInput(name: "s.json", .set(set))]).contains("Nothing was measured"))
    }

    @Test("a warning says what to do, and is said once for all runs that have it")
    func warnings() {
        var run = Made.run(.uring, steps: [1_000])
        run.warnings = [
            RunWarning(id: "client-saturated", message: "the client was busy"),
            RunWarning(id: "of-tomorrow", message: "something new"),
        ]
        let html = page([
            ReportInput(name: "a.json", .run(run)), ReportInput(name: "b.json", .run(run)),
        ])
        #expect(html.components(of: "<code>client-saturated</code>") == 1)
        #expect(html.contains("The client was the limit, not the server"))
        #expect(html.contains("(a; b)"))
        #expect(html.contains("Something new."))
    }

    @Test("the command can be pasted into a shell")
    func commandLine() {
        #expect(
            EnvironmentSection.shell(["uring-bench", "--sysctl", "a=1 2", "it's", ""])
                == "uring-bench --sysctl 'a=1 2' 'it'\\''s' ''")
    }
}

extension String {
    /// How often `part` occurs.
    func components(of part: String) -> Int { ranges(of: part).count }

    /// What stands between `prefix` and the next quotation mark.
    func values(of prefix: String) -> [String] {
        ranges(of: prefix).map { range in
            String(self[range.upperBound...].prefix { $0 != "\"" })
        }
    }
}
