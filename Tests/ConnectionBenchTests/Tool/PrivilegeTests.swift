// Real runs as root: what the kernel says of their children.

import ConnectionEngine
import FoundationEssentials
import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite(.enabled(if: geteuid() == 0, "only root has rights to give up"))
    struct Privileges {
        @Test(
            "started as root, the children are nobody without a capability, and PSS is still read",
            arguments: BackendKind.tested)
        func dropped(backend: BackendKind) throws {
            let file = try ResultPath()
            let tool = try ToolProcess([
                "--backend", backend.rawValue, "--conns", "300", "--probe", "0.2", "--rate", "1k",
                "--hold", "600", "--json", file.path,
            ])
            try tool.says("300 connections")
            #expect(tool.children.count == 2)
            for child in tool.children {
                let status = try Status(child)
                #expect(status.users == [65_534, 65_534, 65_534, 65_534])
                #expect(status.groups == [65_534, 65_534, 65_534, 65_534])
                #expect(status["Groups"] == "")
                for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                    #expect(status[set] == "0000000000000000", "\(set)")
                }
                #expect(status["NoNewPrivs"] == "1")
                // Threads that the engine has begun after the drop are like the first one.
                for thread in try TextFile.names(in: "/proc/\(child)/task") {
                    #expect(try Status(child, thread: thread).users[1] == 65_534)
                }
                // Owned by root: other processes of nobody cannot look into it.
                var entry = stat()
                #expect(stat("/proc/\(child)/mem", &entry) == 0 && entry.st_uid == 0)
            }
            #expect(try Status(tool.pid).users[1] == 0)
            kill(tool.pid, SIGINT)
            #expect(try tool.end() == 130)
            #expect(tool.survivors == [])
            let result = try file.read()
            let privileges = try #require(result.layout?.privileges)
            #expect(privileges.dropped && privileges.userID == 65_534)
            #expect(privileges.kept == [] && privileges.reasons == [])
            let step = try #require(result.steps.last)
            #expect(step.verified)
            #expect((step.clientUserBytes ?? 0) > 0 && (step.serverUserBytes ?? 0) > 0)
        }

        @Test("--keep-privileges leaves root, and the result says so")
        func kept() throws {
            let (result, children) = try run(["--keep-privileges"])
            #expect(children.allSatisfy { $0.users == [0, 0, 0, 0] })
            #expect(children.allSatisfy { $0["NoNewPrivs"] == "0" })
            #expect(
                result.layout?.privileges
                    == ChildPrivileges(
                        user: "root", userID: 0, dropped: false, reasons: ["--keep-privileges"]))
        }

        @Test("--user chooses whom they become")
        func user() throws {
            let (result, children) = try run(["--user", "54321"])
            #expect(children.allSatisfy { $0.users == [54_321, 54_321, 54_321, 54_321] })
            #expect(children.allSatisfy { $0.groups == [54_321, 54_321, 54_321, 54_321] })
            #expect(result.layout?.privileges?.user == "54321")
        }

        @Test(
            "rings that outgrow RLIMIT_MEMLOCK leave CAP_IPC_LOCK alone",
            .enabled(if: BackendKind.tested.contains(.uring), "io_uring is missing here"))
        func lockedMemory() throws {
            let (result, children) = try run(
                ["--backend", "uring"], wrapper: ["prlimit", "--memlock=65536:65536"])
            #expect(children.allSatisfy { $0.users[1] == 65_534 })
            #expect(children.allSatisfy { $0["CapEff"] == "0000000000004000" })
            #expect(result.layout?.privileges?.kept == ["CAP_IPC_LOCK"])
            #expect(result.steps.last?.verified == true)
        }

        @Test("a low port leaves the servers CAP_NET_BIND_SERVICE")
        func lowPort() throws {
            let (result, children) = try run([
                "--backend", "epoll", "--port", "80", "--netns", "loopback",
            ])
            #expect(children.map { $0["CapEff"] } == ["0000000000000400", "0000000000000000"])
            #expect(result.layout?.privileges?.kept == ["CAP_NET_BIND_SERVICE"])
            #expect(result.layout?.listening.first?.hasSuffix(":80") == true)
        }

        @Test("without CAP_SYS_PTRACE they stay root, and the result says why")
        func cannotTrace() throws {
            let (result, children) = try run(
                ["--backend", "epoll"], wrapper: ["setpriv", "--bounding-set", "-sys_ptrace"])
            #expect(children.allSatisfy { $0.users[1] == 0 })
            #expect(result.layout?.privileges?.dropped == false)
            #expect(result.layout?.privileges?.reasons.first?.contains("CAP_SYS_PTRACE") == true)
        }

        @Test("the children of a run that is killed end, although the drop clears their signal")
        func parentDies() throws {
            let tool = try ToolProcess([
                "--backend", "epoll", "--conns", "100", "--probe", "0", "--hold", "600",
            ])
            try tool.says("100 connections")
            let children = tool.children
            #expect(try children.allSatisfy { try Status($0).users[1] == 65_534 })
            kill(tool.pid, SIGKILL)
            #expect(try tool.end() == 137)
            try tool.wait("the end of the children") { tool.survivors == [] }
        }

        @Test("--user needs root")
        func userNeedsRoot() throws {
            let tool = try ToolProcess(
                ["--user", "nobody"],
                wrapper: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
            #expect(try tool.end() == 64)
            #expect(tool.errors.contains("--user nobody: only root can"), "\(tool.errors)")
        }

        /// A short run whose children are looked at while it holds its connections.
        private func run(
            _ arguments: [String], wrapper: [String] = []
        ) throws -> (RunResult, [Status]) {
            let file = try ResultPath()
            let tool = try ToolProcess(
                arguments + [
                    "--conns", "200", "--probe", "0", "--hold", "600", "--json", file.path,
                ], wrapper: wrapper)
            try tool.says("200 connections")
            let children = try tool.children.map { try Status($0) }
            #expect(children.count == 2)
            kill(tool.pid, SIGINT)
            #expect(try tool.end() == 130, "\(tool.errors)")
            return (try file.read(), children)
        }
    }
}

/// /proc/<pid>/status.
private struct Status {
    private let fields: [String: String]

    init(_ pid: pid_t, thread: String? = nil) throws {
        let path = thread.map { "/proc/\(pid)/task/\($0)/status" } ?? "/proc/\(pid)/status"
        var fields: [String: String] = [:]
        for line in try TextFile.read(path).split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            let value = parts.count > 1 ? parts[1] : ""
            fields[String(parts[0])] = value.split(whereSeparator: \.isWhitespace)
                .joined(separator: " ")
        }
        self.fields = fields
    }

    subscript(_ name: String) -> String? { fields[name] }

    /// Real, effective, saved, file system.
    var users: [Int] { numbers("Uid") }
    var groups: [Int] { numbers("Gid") }

    private func numbers(_ name: String) -> [Int] {
        (fields[name] ?? "").split(separator: " ").compactMap { Int($0) }
    }
}
