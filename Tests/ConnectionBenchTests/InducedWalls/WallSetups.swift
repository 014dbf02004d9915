// What walls are made of: control groups, limits, a firewall's table.

import Glibc
import Testing

@testable import ConnectionBench

/// A control group with one limit, for v1 and v2; it is removed in the end.
final class LimitedGroup {
    let folder: String

    /// - Parameter controller: `pids` or `memory`.
    init(_ controller: String, limit: Int) throws {
        let v1 = "/sys/fs/cgroup/\(controller)"
        let isV1 = TextFile.exists("\(v1)/cgroup.procs")
        folder = (isV1 ? v1 : "/sys/fs/cgroup") + "/uring-bench-test-\(getpid())-\(controller)"
        if !isV1 { try Self.write("+\(controller)", to: "/sys/fs/cgroup/cgroup.subtree_control") }
        try #require(
            mkdir(folder, 0o755) == 0, "mkdir \(folder): \(String(cString: strerror(errno)))")
        let file =
            controller == "pids" ? "pids.max" : isV1 ? "memory.limit_in_bytes" : "memory.max"
        try Self.write("\(limit)", to: "\(folder)/\(file)")
    }

    deinit {
        // The last memory of its processes may be charged for a moment longer.
        for _ in 0..<100 where rmdir(folder) != 0 { usleep(20_000) }
    }

    /// A wrapper that enters the group before it becomes the tool.
    var entrance: [String] {
        ["sh", "-c", "echo $$ >\(folder)/cgroup.procs && exec \"$0\" \"$@\""]
    }

    static func write(_ text: String, to path: String) throws {
        let fd = open(path, O_WRONLY | O_CLOEXEC)
        try #require(fd >= 0, "\(path): \(String(cString: strerror(errno)))")
        defer { close(fd) }
        try #require(Glibc.write(fd, text, text.utf8.count) == text.utf8.count, "\(path)")
    }
}

/// A smaller table of connections for the firewall, as long as this lives. The kernel has one figure
/// for all namespaces; only flows that a rule tracks count against it.
final class SmallConntrackTable {
    private let path = "/proc/sys/net/netfilter/nf_conntrack_max"
    private let before: String

    init(_ entries: Int) throws {
        before = try TextFile.readValue(path)
        try LimitedGroup.write("\(entries)", to: path)
    }

    deinit {
        // A test that fails here would leave the machine changed: no error is swallowed quietly.
        do { try LimitedGroup.write(before, to: path) } catch { Issue.record(error) }
    }

    /// A wrapper that makes the kernel track the namespace's connections.
    static let tracking = [
        "sh", "-c",
        "nft add table inet t && nft 'add chain inet t o { type filter hook output priority 0; }'"
            + " && nft add rule inet t o ct state new accept && exec \"$0\" \"$@\"",
    ]
}

/// The tool where another user may run it.
final class PublicTool {
    private let folder: String
    let path: String

    init() throws {
        folder = "/tmp/uring-bench-public-\(getpid())"
        path = folder + "/uring-bench"
        try #require(mkdir(folder, 0o755) == 0)
        try #require(
            Subprocess.run(["cp", ToolProcess.path, path]) == 0 && chmod(path, 0o755) == 0)
    }

    deinit {
        unlink(path)
        rmdir(folder)
    }
}
