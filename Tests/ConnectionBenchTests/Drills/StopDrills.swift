// Drills 14, 19, 20 and 32 with the whole tool: processes that stand still for a while, calls that
// are interrupted, and no privilege at all.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests.ToolDrills {
    @Suite("14, 19, 20, 32: a run that is held up") struct HeldUp {
        private func run(
            _ arguments: String, wrapper: [String] = [], path: String = ToolProcess.path
        ) throws -> ToolProcess {
            try ToolProcess(
                arguments.split(separator: " ").map(String.init), wrapper: wrapper, path: path)
        }

        @Test(
            "SIGSTOP and SIGCONT of server and client: the run goes on, and its latencies tell",
            arguments: BackendKind.tested)
        func stopped(backend: BackendKind) throws {
            let tool = try run(
                "-b \(backend) -n 300 --steps 300 --probe 4 --warmup 0.1 --rate 1k --hold 0"
                    + " --json -"
            )
            // The probe begins when the ramp's line has been said.
            try tool.says(" server and ")
            try tool.wait("the ramp's end") {
                tool.children.count == 2 && sockets(of: tool.children[0]) >= 600
            }
            usleep(800_000)
            for child in tool.children {
                kill(child, SIGSTOP)
                usleep(400_000)
                kill(child, SIGCONT)
                usleep(300_000)
            }
            #expect(try tool.end() == 0, "\(tool.errors)")
            #expect(tool.survivors == [])
            let result = try tool.result()
            #expect(result.complete && result.teardown?.childrenKilled == 0)
            #expect(result.steps.last?.verified == true)
            let probe = try #require(result.steps.last?.probe)
            #expect(probe.wrongAnswers == 0)
            // Latency counts from the due time: who stood still for 0.4 s has latencies of it. They
            // are injected, not measured.
            #expect(probe.latency.maxNanoseconds >= 300_000_000)
            #expect(result.sweep?.connectionsEchoed == 300)
        }

        private func sockets(of process: pid_t) -> Int {
            (try? SocketStatistics.read(of: process).tcpInUse) ?? 0
        }

        @Test(
            "every third wait is interrupted (EINTR)", .enabled(if: hasStrace),
            arguments: BackendKind.tested)
        func interrupted(backend: BackendKind) throws {
            let call =
                switch backend {
                case .uring: "io_uring_enter"
                case .epoll: "epoll_pwait2"
                case .threads: "recvfrom"
                }
            let tool = try run(
                "-b \(backend) -n 200 --probe 0.5 --warmup 0 --rate 500 --hold 0 --json - --quiet",
                wrapper: strace(call, "EINTR", when: "20+3"))
            #expect(try tool.end() == 0, "\(tool.errors)")
            #expect(tool.survivors == [])
            let result = try tool.result()
            #expect(result.complete && result.steps.last?.verified == true)
            #expect(result.steps.last?.probe?.wrongAnswers == 0)
            // The thread backend repeats its receives without a count.
            if backend != .threads {
                #expect(result.serverCounters?.entryRetries ?? 0 > 0)
                #expect(result.clientCounters?.entryRetries ?? 0 > 0)
            }
        }

        @Test(
            "a burst of entries that the kernel has no room for",
            .enabled(if: hasStrace && hasURing),
            arguments: ["EAGAIN", "EBUSY"])
        func bursts(error: String) throws {
            let tool = try run(
                "-b uring -n 300 --probe 0.5 --warmup 0 --rate 500 --hold 0 --json - --quiet",
                wrapper: strace("io_uring_enter", error, when: "30..130"))
            #expect(try tool.end() == 0, "\(tool.errors)")
            let result = try tool.result()
            #expect(result.complete && result.steps.last?.verified == true)
            // A hundred in a row, in a thread of each side.
            #expect(result.serverCounters?.entryRetries ?? 0 >= 100)
            #expect(result.clientCounters?.entryRetries ?? 0 >= 100)
        }

        private func strace(_ call: String, _ error: String, when: String) -> [String] {
            [
                "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e",
                "inject=\(call):error=\(error):when=\(when)",
            ]
        }

        @Test(
            "an ordinary user with 8 MiB of locked memory", .enabled(if: geteuid() == 0),
            arguments: BackendKind.tested)
        func ordinaryUser(backend: BackendKind) throws {
            let copy = try PublicTool()
            let tool = try run(
                "-b \(backend) -n 1000 --steps 1000 --probe 0.5 --rate 1k --hold 0 --json -"
                    + " --quiet",
                wrapper: [
                    "prlimit", "--memlock=8388608:8388608", "setpriv", "--reuid=65534",
                    "--regid=65534", "--clear-groups", "--no-new-privs",
                ], path: copy.path)
            #expect(try tool.end() == 0, "\(tool.errors)")
            let result = try tool.result()
            #expect(result.complete && result.steps.last?.verified == true)
            #expect(result.sweep?.connectionsEchoed == 1_000)
        }
    }
}

private let hasURing = BackendKind.tested.contains(.uring)
