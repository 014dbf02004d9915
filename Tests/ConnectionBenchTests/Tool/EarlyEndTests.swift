// Runs that end before their last step: always with a result, never with a process left behind.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite struct EarlyEnd {
        private static let slowRamp = [
            "--conns", "10k", "--connect-rate", "500", "--probe", "0", "--hold", "0",
        ]
        private static let longHold = ["--conns", "200", "--probe", "0", "--hold", "600"]

        /// A tool in the midst of a slow ramp.
        private func ramping(_ backend: BackendKind, _ file: ResultPath) throws -> ToolProcess {
            let tool = try ToolProcess(
                ["--backend", backend.rawValue, "--json", file.path] + Self.slowRamp)
            try tool.says(" server and ")
            usleep(500_000)
            return tool
        }

        private func holding(_ backend: BackendKind, _ file: ResultPath) throws -> ToolProcess {
            let tool = try ToolProcess(
                ["--backend", backend.rawValue, "--json", file.path] + Self.longHold)
            try tool.says("echoed on all 200")
            return tool
        }

        private func expectNamed(
            _ child: String, _ pid: pid_t, _ tool: ToolProcess, _ file: ResultPath
        ) throws {
            #expect(try tool.end() == 1, "\(tool.errors)")
            #expect(tool.survivors == [])
            let result = try file.read()
            #expect(!result.complete && result.exitCode == 1)
            let stopped = try #require(result.stopped)
            #expect(stopped.kind == .childDied)
            #expect(stopped.message == "\(child) (pid \(pid)): killed by signal 9")
            // The other process has been asked for its counters.
            let isServer = child.hasPrefix("server")
            let counters = isServer ? result.clientCounters : result.serverCounters
            #expect((counters?.turns ?? 0) > 0)
            #expect(result.warnings.contains { $0.message.contains("lack those of \(child)") })
        }

        @Test("a server that is killed in the ramp is named", arguments: BackendKind.tested)
        func serverInRamp(backend: BackendKind) throws {
            let file = try ResultPath()
            let tool = try ramping(backend, file)
            let child = try #require(tool.children.first)
            kill(child, SIGKILL)
            try expectNamed("server 0", child, tool, file)
            #expect(try file.read().steps.count == 1)
        }

        @Test("a client that is killed in the ramp is named", arguments: BackendKind.tested)
        func clientInRamp(backend: BackendKind) throws {
            let file = try ResultPath()
            let tool = try ramping(backend, file)
            let child = try #require(tool.children.last)
            kill(child, SIGKILL)
            try expectNamed("client 0", child, tool, file)
        }

        @Test("a server that is killed in the hold is named", arguments: BackendKind.tested)
        func serverInHold(backend: BackendKind) throws {
            let file = try ResultPath()
            let tool = try holding(backend, file)
            let child = try #require(tool.children.first)
            kill(child, SIGKILL)
            try expectNamed("server 0", child, tool, file)
            let result = try file.read()
            #expect(result.steps.last?.verified == true && result.hold != nil)
        }

        @Test("a client that is killed in the hold is named", arguments: BackendKind.tested)
        func clientInHold(backend: BackendKind) throws {
            let file = try ResultPath()
            let tool = try holding(backend, file)
            let child = try #require(tool.children.last)
            kill(child, SIGKILL)
            try expectNamed("client 0", child, tool, file)
        }

        @Test("Ctrl-C in the ramp writes what was measured", arguments: BackendKind.tested)
        func interrupted(backend: BackendKind) throws {
            let file = try ResultPath()
            let tool = try ramping(backend, file)
            kill(tool.pid, SIGINT)
            #expect(try tool.end() == 130, "\(tool.errors)")
            #expect(tool.survivors == [])
            let result = try file.read()
            #expect(!result.complete && result.exitCode == 130)
            #expect(result.stopped?.kind == .interrupted)
            let step = try #require(result.steps.last)
            #expect(step.clientEstablished > 0 && step.clientEstablished < step.connections)
            #expect(result.teardown?.childrenKilled == 0)
            #expect(tool.output.contains("INCOMPLETE"))
        }

        @Test("a second Ctrl-C ends at once, and still writes a result")
        func interruptedTwice() throws {
            let file = try ResultPath()
            let tool = try ramping(.epoll, file)
            kill(tool.pid, SIGINT)
            usleep(5_000)
            kill(tool.pid, SIGINT)
            #expect(try tool.end() == 130)
            #expect(tool.survivors == [])
            #expect(try file.read().complete == false)
        }

        @Test("SIGTERM to the whole group is one interruption")
        func terminated() throws {
            let file = try ResultPath()
            let tool = try ramping(.epoll, file)
            // As timeout(1) and a service manager do.
            for pid in tool.children + [tool.pid] { kill(pid, SIGTERM) }
            #expect(try tool.end() == 143)
            #expect(tool.survivors == [])
            let result = try file.read()
            #expect(result.exitCode == 143 && result.teardown?.childrenKilled == 0)
        }

        @Test("with --json - the reason of an early end is on standard error")
        func reasonBesideJSON() throws {
            let tool = try ToolProcess(
                ["--backend", "epoll", "--json", "-", "--quiet"] + Self.slowRamp)
            try tool.wait("its children") { tool.children.count == 2 }
            usleep(500_000)
            kill(tool.pid, SIGINT)
            #expect(try tool.end() == 130)
            #expect(tool.errors == "uring-bench: interrupted by SIGINT (Ctrl-C)\n")
            #expect(tool.output.hasPrefix("{") && tool.output.hasSuffix("}\n"))
        }

        @Test("the children of a killed parent end by themselves", arguments: BackendKind.tested)
        func orphans(backend: BackendKind) throws {
            let file = try ResultPath()
            let tool = try ramping(backend, file)
            #expect(tool.children.count == 2)
            kill(tool.pid, SIGKILL)
            #expect(try tool.end() == 128 + 9)
            try tool.wait("the children's end") { tool.survivors.isEmpty }
        }

        @Test("available memory below the floor stops the ramp")
        func memoryFloor() throws {
            let file = try ResultPath()
            var last: RunResult?
            // 100,000 connections take 0.8 GB. Other programs may free as much meanwhile, or enough
            // for the climb to pass the prediction; then it is tried again.
            for _ in 0..<5 where last?.verdict?.wall != .memory {
                let floor = try KernelMemory.memAvailable() - 200_000_000
                let tool = try ToolProcess([
                    "--conns", "100k", "--steps", "100k", "--probe", "0", "--hold", "0",
                    "--until-wall", "--memory-floor", "\(floor)", "--json", file.path,
                ])
                let code = try tool.end(seconds: 90)
                #expect(tool.survivors == [])
                #expect(code == 77 || code == 0, "\(tool.errors)")
                last = try file.read()
            }
            let result = try #require(last)
            #expect(result.stopped?.kind == .wall && result.exitCode == 77)
            let reached = try #require(result.prediction?.reached)
            #expect(reached > 0 && reached < 100_000)
            let message = try #require(result.stopped?.message)
            #expect(
                message.hasPrefix(
                    "at \(Count.format(reached)) connections the wall is memory, on the host's side ("
                ), "\(message)")
            #expect(message.hasSuffix("Remedy: more memory, or a lower --memory-floor"))
            let verdict = try #require(result.verdict)
            #expect(verdict.wall == .memory && verdict.confidence == .high)
            #expect(result.prediction?.wall == .memory)
            // What is held at the wall is counted on both sides, and echoes.
            let step = try #require(result.steps.last)
            #expect(step.verified && step.connections == reached)
            #expect(result.sweep?.connectionsEchoed == reached)
            #expect(result.governor.contains { $0.to == "amber" && $0.trigger == .memory })
            #expect(!result.complete)
        }

        @Test("a floor that N cannot leave free is refused before the start")
        func memoryFloorRefusal() throws {
            let tool = try ToolProcess([
                "--backend", "epoll", "--conns", "1k", "--memory-floor", "90G",
            ])
            #expect(try tool.end() == 77)
            #expect(tool.errors.contains("MemAvailable") && tool.errors.contains("Remedy"))
            #expect(tool.output == "")
        }
    }
}
