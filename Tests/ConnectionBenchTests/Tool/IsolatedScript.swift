// A shell script with a network and a /run of its own, which the machine never sees.

import Testing

@testable import ConnectionBench

enum IsolatedScript {
    /// A mount and a network namespace, which only root can make.
    private static let isolation = ["unshare", "-m", "-n", "sh", "-c"]
    static let isAllowed = (try? Subprocess.run(isolation + ["mount -t tmpfs none /run"])) == 0

    /// Runs `script` in which `$tool` is the tool, and `$range` the file of the port range.
    ///
    /// - Returns: its exit code; standard output and errors together.
    static func run(_ script: String) throws -> (code: Int32, said: String) {
        let folder = try FixtureDirectory(["/said": ""])
        let whole = """
            exec >\(folder.path)/said 2>&1
            mount -t tmpfs none /run || exit 99
            ip link set lo up
            tool=\(ToolProcess.path)
            range=/proc/sys/net/ipv4/ip_local_port_range
            \(script)
            """
        let code = try Subprocess.run(isolation + [whole])
        return (code, try TextFile.read(folder.path + "/said"))
    }
}
