// Facts and forecasts of a real server: the tool's own, as another process would see it.

import FoundationEssentials
import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite struct ForeignServer {
        /// A run that holds connections in a network of its own, and the pid of its server.
        private func hold(
            _ connections: Int, _ backend: String
        ) throws -> (tool: ToolProcess, server: pid_t) {
            let tool = try ToolProcess([
                "--backend", backend, "--conns", "\(connections)", "--probe", "0", "--hold", "600",
                // The limits of another user's process are not ours to set, as the tests do.
                "--workers", "1", "--keep-privileges",
            ])
            var server: pid_t = 0
            try tool.wait("\(connections) connections") {
                // Its process waits in unshare(1) and sh(1) first, which have no children.
                guard let first = tool.children.first else { return false }
                server = first
                let facts = try? ProcessFacts.read(pid: server)
                return facts?.network.value?.own[.established] == connections
            }
            return (tool, server)
        }

        private func limitFiles(of pid: pid_t, to count: Int) throws {
            let code = try Subprocess.run([
                "prlimit", "--pid", "\(pid)", "--nofile=\(count):\(count)",
            ])
            try #require(code == 0)
        }

        @Test("epoll: the limit of open files is the first, and its figure is exact")
        func epoll() throws {
            let (tool, server) = try hold(40, "epoll")
            let numbers = try TextFile.names(in: "/proc/\(server)/fd").compactMap { Int($0) }
            let open = numbers.count
            try limitFiles(of: server, to: open + 7)
            // What a parent has left open at a high number takes none of the numbers below.
            let free = 7 + numbers.count { $0 >= open + 7 }
            let report = try ForeignReport(pid: server)

            let descriptors = try #require(report.facts.descriptors.value)
            #expect(descriptors.count == open)
            #expect(descriptors.epolls.count == 1)
            // 40 connections, the listener, and the eventfd of its worker.
            #expect(descriptors.epolls[0].watches.value == 42)
            #expect(report.facts.openFilesSoft == .known(.at(open + 7)))
            #expect(report.facts.openFilesHard == .known(.at(open + 7)))
            let network = try #require(report.facts.network.value)
            #expect(network.own[.established] == 40 && network.own[.listen] == 1)
            #expect(network.onListeningPorts[.established] == 40)
            #expect(network.listeners[0].address == "127.0.0.1")
            #expect(network.listeners[0].acceptQueue == 0)

            #expect(report.forecast.waiting == .epoll && report.forecast.established == 40)
            let binding = try #require(report.forecast.binding)
            #expect(binding.resource == .descriptors && binding.connectionsMore == free)
            #expect(binding.remedy.contains("prlimit --pid \(server) --nofile="))
            let text = report.text
            #expect(text.contains("It holds 40 TCP connections and can take about \(free) more"))
            for line in text.split(separator: "\n") where !line.contains("/sys/fs/cgroup") {
                #expect(line.count <= 80, "\(line)")
            }
            let copy = try JSONDecoder().decode(
                ForeignReport.self, from: JSONEncoder().encode(report))
            #expect(copy == report)
            // A limit below what is open leaves nothing, and no number below zero.
            try limitFiles(of: server, to: 10)
            let full = try ForeignReport(pid: server)
            #expect(full.forecast.binding?.connectionsMore == 0)
            #expect(full.text.contains("can take no more"))
            withExtendedLifetime(tool) {}
        }

        @Test("io_uring: direct descriptors are found, and the limit of open files is none")
        func ring() throws {
            let (tool, server) = try hold(40, "uring")
            let report = try ForeignReport(pid: server)
            let descriptors = try #require(report.facts.descriptors.value)
            #expect(descriptors.rings.count == 1)
            #expect(descriptors.directSocketCount == 40)
            #expect(report.forecast.waiting == .ioUring)
            #expect(!report.forecast.limits.contains { $0.resource == .descriptors })
            let direct = try #require(
                report.forecast.limits.first { $0.resource == .directDescriptors })
            #expect(direct.connectionsMore == descriptors.directPlaceCount - 40)
            withExtendedLifetime(tool) {}
        }

        @Test("thread per connection: its limits of threads are judged")
        func threads() throws {
            let (tool, server) = try hold(40, "threads")
            let report = try ForeignReport(pid: server)
            #expect(report.forecast.waiting == .threadPerConnection)
            let threads = try #require(report.facts.threads.value)
            #expect(threads >= 40)
            let maps = try #require(
                report.forecast.limits.first { $0.resource == .memoryMaps })
            let used = try #require(report.facts.memoryMaps.value)
            #expect(maps.connectionsMore == Int(Double(maps.limit - used) / 2.01))
            #expect(report.forecast.limits.contains { $0.resource == .processIDs })
            withExtendedLifetime(tool) {}
        }

        @Test("a process that is not, or has ended, is an error that says so")
        func vanished() throws {
            let pid = try Subprocess.spawn(["true"])
            var info = siginfo_t()
            try #require(waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) == 0)
            #expect(throws: ProcessUsageError.vanished(pid: pid)) {
                try ProcessFacts.read(pid: pid)
            }
            waitpid(pid, nil, 0)
            #expect(throws: ProcessUsageError.vanished(pid: pid)) { try ForeignReport(pid: pid) }
        }
    }
}
