// Drill 35: kill -9 of each process of a run, in each of its phases.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests.ToolDrills {
    @Suite("35: kill -9 of each process in each phase", .enabled(if: geteuid() == 0))
    struct Kills {
        @Test("the others end by themselves, and nothing is left", arguments: Kill.all)
        func killed(kill: Kill) throws {
            let scene = try KillScene(kill)
            try scene.awaitMoment()
            let victim = try scene.victim()
            let network = try scene.network()
            defer { close(network) }
            Glibc.kill(victim.pid, SIGKILL)
            scene.letGo()
            let code = try scene.tool.end()
            try scene.tool.wait("the end of every process") { scene.tool.survivors.isEmpty }
            if kill.process == .parent {
                #expect(code == 128 + SIGKILL)
                // No half of a result in the place of a whole one.
                #expect(!scene.file.exists)
            } else {
                try scene.checkResult(victim, code: code)
            }
            // The kernel has taken back every socket.
            try scene.tool.wait("the end of every socket") {
                (try? Subprocess.run([
                    "nsenter", "--net=/proc/\(getpid())/fd/\(network)", "grep", "-q",
                    "^TCP: inuse 0 ", "/proc/net/sockstat",
                ])) == 0
            }
        }
    }

    struct Kill: Sendable, CustomTestStringConvertible {
        enum Process: String, CaseIterable { case parent, server, client }
        /// `start`: before the first connection. `teardown`: after everything was measured.
        enum Moment: String, CaseIterable { case start, ramp, probe, churn, hold, teardown }

        let process: Process
        let moment: Moment
        let backend: BackendKind

        var testDescription: String { "\(process) in \(moment), \(backend)" }

        /// In the short form the backends take turns; each meets each moment, and each process.
        static let all: [Kill] = Moment.allCases.enumerated().flatMap { row, moment in
            Process.allCases.enumerated().flatMap { column, process in
                let tested = BackendKind.tested
                let turn = tested[(row + column) % tested.count]
                return (DrillScale.isFull ? tested : [turn]).map {
                    Kill(process: process, moment: moment, backend: $0)
                }
            }
        }
    }
}

/// One run on its way to the moment of a kill.
private final class KillScene {
    typealias Kill = ToolTests.ToolDrills.Kill

    let kill: Kill
    let file: ResultPath
    let tool: ToolProcess
    private let stream: ResultPath
    private var stopped: pid_t?

    init(_ kill: Kill) throws {
        self.kill = kill
        file = try ResultPath()
        stream = try ResultPath()
        tool = try ToolProcess([
            "--backend", kill.backend.rawValue, "--conns", "400", "--steps", "400",
            "--connect-rate", "800", "--probe", "0.6", "--warmup", "0.1", "--rate", "1k",
            "--churn", "50", "--churn-seconds", "1", "--hold", "1",
            "--json", file.path, "--stream", stream.path,
        ])
    }

    func awaitMoment() throws {
        switch kill.moment {
        case .start:
            let count = kill.process == .client ? 2 : 1
            try reach("its children") { children.count >= count }
        case .ramp, .probe, .churn, .hold: try awaitPhase(kill.moment.rawValue)
        case .teardown: try awaitTeardown()
        }
    }

    /// A run that has ended, for whatever reason, comes to no moment any more.
    private func reach(_ what: String, _ condition: () -> Bool) throws {
        try tool.wait(what) { tool.waitHasEnded || condition() }
        try #require(!tool.waitHasEnded, "\(what): \(tool.errors)")
    }

    /// The tool's own: before it is the tool, its process sets up a network with others' help.
    private var children: [pid_t] {
        tool.children.filter {
            ((try? TextFile.read("/proc/\($0)/cmdline")) ?? "").contains(childArgument)
        }
    }

    private func awaitPhase(_ name: String) throws {
        try reach("the \(name)") {
            let text = (try? TextFile.read(stream.path)) ?? ""
            return text.contains("\"phase\":\"\(name)\"")
        }
        // In the midst of it.
        usleep(200_000)
    }

    /// A teardown is over in no time, unless a process does not answer.
    private func awaitTeardown() throws {
        try awaitPhase("hold")
        let child = try #require(kill.process == .client ? children.last : children.first)
        Glibc.kill(child, SIGSTOP)
        stopped = child
        usleep(1_300_000)
    }

    /// A killed parent's children must be able to end.
    func letGo() {
        if let stopped { Glibc.kill(stopped, SIGCONT) }
    }

    func victim() throws -> (name: String, pid: pid_t) {
        switch kill.process {
        case .parent: ("", tool.pid)
        case .server: ("server 0", try #require(children.first))
        case .client: ("client 0", try #require(children.last))
        }
    }

    /// The run's network, which lives as long as this descriptor.
    func network() throws -> CInt {
        let fd = open("/proc/\(tool.pid)/ns/net", O_RDONLY | O_CLOEXEC)
        try #require(fd >= 0)
        return fd
    }

    func checkResult(_ victim: (name: String, pid: pid_t), code: Int32) throws {
        let result = try file.read()
        #expect(result.exitCode == code)
        #expect(result.teardown?.childrenKilled ?? 0 == 0)
        if kill.moment == .teardown {
            // Everything was measured, and only the victim's counters are missing.
            #expect(code == 0 && result.complete, "\(tool.errors)")
            #expect(result.steps.last?.verified == true && result.hold?.connectionsLost == 0)
        } else {
            #expect(code == 1 && !result.complete, "\(tool.errors)")
            #expect(result.stopped?.kind == .childDied)
            #expect(
                result.stopped?.message
                    == "\(victim.name) (pid \(victim.pid)): killed by signal 9")
        }
        if kill.moment != .start {
            #expect(
                result.warnings.contains { $0.message.contains("lack those of \(victim.name)") })
        }
    }
}
