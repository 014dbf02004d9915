// What a person reads of the doctor: 80 columns, the answer first.

import ConnectionEngine
import Testing

@testable import ConnectionBench

private func report(_ change: (inout DoctorReport) -> Void) -> DoctorReport {
    var facts = HostFacts()
    facts.kernelRelease = "6.18.44"
    var report = DoctorReport(
        tool: ToolFacts(version: "1", commit: nil, buildMode: "release", compiler: ""),
        startedAt: "", host: facts, connections: 500_000, messagesPerSecond: 0.1)
    report.seconds = 3.21
    change(&report)
    return report
}

private func forecast(
    _ backend: BackendKind, _ facts: HostFacts = roomyMachine(), ports: Int = 1_000_000_000,
    _ calibration: Calibration? = nil
) -> BackendForecast {
    var forecast = BackendForecast(backend)
    forecast.preflight = Preflight(
        facts: facts, memoryAvailableBytes: 20 * gibibyte, backend: backend,
        ports: PortCapacity(
            connections: ports, limit: ports, origin: "the tuple plan",
            formula: "source addresses x usable ports, each pair once"), calibration: calibration)
    return forecast
}

private func lines(_ report: DoctorReport) -> [String] {
    DoctorText(report).text.split(separator: "\n", omittingEmptySubsequences: false)
        .map(String.init)
}

/// Nothing is known, everything fails, and paths and reasons are as long as they get.
private func worst() -> DoctorReport {
    let group =
        "/sys/fs/cgroup/system.slice/docker-\(String(repeating: "0123456789abcdef", count: 4))"
    return report { report in
        report.connections = 100_000_000
        var uring = BackendForecast(.uring)
        uring.unavailable =
            "io_uring_setup: EPERM (Operation not permitted); io_uring is forbidden here: check"
            + " sysctl kernel.io_uring_disabled (0 allows it) and the container's seccomp profile"
        let facts = roomyMachine {
            $0.openFilesHard = .at(1_024)
            $0.controlGroupPids = ControlGroupLimit(
                limit: .at(500), used: 100, path: group + ".scope/pids.max")
            $0.controlGroupMemory = ControlGroupLimit(
                limit: .at(300 << 20), used: 1 << 20, path: group + ".scope/memory.max")
            $0.conntrackMax = 262_144
            $0.conntrackCount = 12
        }
        var epoll = forecast(.epoll, facts, ports: 28_232)
        epoll.calibrationFailure =
            "server 0 (pid 12345) did not answer in 30.0 s, and everything after it took too long"
        var threads = forecast(.threads, facts, calibration(conntrack: 1))
        threads.processors = Wall(
            resource: .processors, connectionsMax: 4_123_456, limit: 2,
            origin: "processors that this program may use",
            formula: "2 processors by 25.3 µs per echo, both ends, are 79,051 echoes/s, at 0.1 per"
                + " second on each connection")
        report.backends = [uring, epoll, threads]
        report.notes = DoctorNote.Chapter.allCases.flatMap { chapter in
            [DoctorNote.State.good, .note, .warning].map {
                DoctorNote(
                    chapter: chapter, state: $0,
                    text: "A sentence about \(chapter.rawValue) that is longer than any line is and"
                        + " mentions \(group)/a/file in the midst of it, 1,234,567 times.")
            }
        }
        report.unknown = UnknownFacts.of(HostFacts())
        report.unknown.append(
            UnknownFact(
                name: "limits of the group",
                reason: "\(group).scope/pids.max: Permission denied (errno 13)"))
    }
}

@Suite struct DoctorTextTests {
    @Test("no line is longer than 80 columns, whatever was found")
    func width() {
        let reports = [
            worst(), report { _ in }, report { $0.backends = [forecast(.uring)] },
            report { report in
                report.host.kernelRelease = nil
                report.connections = 1
                report.backends = BackendKind.allCases.map { forecast($0, HostFacts()) }
            },
        ]
        for report in reports {
            for line in lines(report) { #expect(line.count <= 80, "\(line)") }
        }
    }

    @Test("no line ends in white space, and none is a mark alone")
    func tidy() {
        for line in lines(worst()) {
            #expect(!line.hasSuffix(" "), "'\(line)'")
            #expect(!["!", "-", "?", ">", "x"].contains(line.filter { $0 != " " }), "'\(line)'")
        }
    }

    @Test("the answer comes first, with a yes, and where it ends")
    func yes() {
        let text = lines(report { $0.backends = [forecast(.uring)] })
        #expect(text[0] == "Can this machine hold 500,000 connections, both ends on it?")
        #expect(text[1] == "")
        #expect(text[2] == "  uring   yes   ends at 1,232,895: open files of the whole system")
        #expect(text.contains("uring: where each limit ends it, the nearest first"))
        #expect(text.last == "Nothing was changed. Measured and read in 3.2 s on Linux 6.18.44.")
    }

    @Test("a no says how to pass each wall before the number, and no other")
    func no() throws {
        let text = lines(report { $0.backends = [forecast(.uring, ports: 28_232)] })
        #expect(text[2] == "  uring   no    ends at 28,232: source ports")
        #expect(text[3].hasPrefix("                > to pass source ports: more source addresses"))
        #expect(text.count { $0.contains("> to pass") } == 1)
        let row = try #require(text.first { $0.hasPrefix("x") })
        #expect(row == "x      28,232  source ports")
        #expect(text.count { $0.hasPrefix("x") } == 1)
    }

    @Test("a backend that cannot be used says why, and has no ranking")
    func unavailable() {
        let text = lines(worst())
        #expect(text[2].hasPrefix("  uring   no    cannot be used: io_uring_setup: EPERM"))
        #expect(!text.contains("uring: where each limit ends it, the nearest first"))
        #expect(text.contains("epoll: where each limit ends it, the nearest first"))
    }

    @Test("costs that could not be measured are said to be from a table")
    func notCalibrated() {
        let text = lines(worst()).joined(separator: " ").split(separator: " ")
            .joined(separator: " ")
        #expect(text.contains("costs are from a table, not measured: server 0 (pid 12345) did not"))
    }

    @Test("chapters come in the order of a connection's way, each once")
    func chapters() {
        let text = lines(worst())
        let titles = [
            "Ports", "File descriptors", "Threads", "Memory", "Processors",
            "Queues and the firewall", "io_uring",
        ]
        #expect(text.filter { titles.contains($0) } == titles)
        #expect(text.contains { $0.hasPrefix("  ! A sentence about ports") })
        #expect(text.contains { $0.hasPrefix("  - A sentence about ports") })
    }

    @Test("what is unknown has its reason")
    func unknown() {
        let text = lines(worst())
        #expect(text.contains("Unknown, because …"))
        #expect(text.contains { $0.hasPrefix("  ? process ids: /proc/sys/kernel/pid_max has an") })
        #expect(!lines(report { _ in }).contains("Unknown, because …"))
    }

    @Test("a wall beyond a billion has no end")
    func noEnd() {
        let text = lines(report { $0.backends = [forecast(.uring, ports: 137_000_000_000)] })
        #expect(text.contains("       no end  source ports"))
    }

    @Test("it fits only when every backend does")
    func fits() {
        #expect(report { $0.backends = [forecast(.uring)] }.fits)
        #expect(!report { $0.backends = [forecast(.uring), forecast(.threads)] }.fits)
        #expect(!worst().fits)
    }
}

@Suite struct UnknownFactsTests {
    @Test("a fact that is known is not listed")
    func known() {
        let names = UnknownFacts.of(HostFacts.read()).map(\.name)
        for name in ["process ids", "limits of this process", "the kernel's range of source ports"]
        {
            #expect(!names.contains(name))
        }
    }

    @Test("of an unknown machine each fact has a reason that names its file, or says what it means")
    func unknown() {
        let facts = UnknownFacts.of(HostFacts())
        #expect(facts.count >= 11)
        #expect(Set(facts.map(\.name)).count == facts.count)
        for fact in facts {
            #expect(!fact.reason.isEmpty && !fact.reason.contains("\n"))
        }
        // The files are there, so that only their form can be at fault.
        #expect(
            facts.first { $0.name == "process ids" }?.reason
                == "/proc/sys/kernel/pid_max has an unknown form")
    }
}
