// Which process: a pid with its start time, since pids are used again.

import Glibc

/// Two processes with equal identities are the same one, as long as the machine is not restarted.
public struct ProcessIdentity: Codable, Hashable, Sendable {
    public let pid: Int32
    /// Clock ticks from the machine's start to this process's, column 22 of proc_pid_stat(5).
    public let startTicks: UInt64

    public init(pid: Int32, startTicks: UInt64) {
        self.pid = pid
        self.startTicks = startTicks
    }

    /// - Throws: `isMissing` when there is no such process.
    public static func read(pid: Int32) throws(FileError) -> ProcessIdentity {
        try ProcessIdentity(pid: pid, files: HostFiles(root: ""))
    }

    init(pid: Int32, files: HostFiles) throws(FileError) {
        let stat = try ProcessStat(pid: pid, files: files)
        self.init(pid: pid, startTicks: stat.startTicks)
    }

    /// Whether this very process still runs. One that has ended and is not reaped does not.
    func isAlive(files: HostFiles) -> Bool {
        guard let stat = try? ProcessStat(pid: pid, files: files) else { return false }
        return stat.startTicks == startTicks && !stat.hasEnded
    }
}

/// The columns of /proc/<pid>/stat that tell one process from another.
struct ProcessStat {
    let name: String
    let startTicks: UInt64
    let threadCount: Int
    /// A zombie: nothing runs any more. A first thread that ended before the others is none.
    let hasEnded: Bool

    /// The name stands in parentheses and may hold some, so columns are counted from the last `)`.
    init(pid: Int32, files: HostFiles) throws(FileError) {
        let path = "/proc/\(pid)/stat"
        let text = try files.read(path)
        guard let open = text.firstIndex(of: "("), let close = text.lastIndex(of: ")") else {
            throw FileError(path: path, expected: "a name in parentheses")
        }
        // The first column here is column 3 of proc_pid_stat(5).
        let columns = text[text.index(after: close)...].split(separator: " ")
        guard columns.count > 19, let threads = Int(columns[17]), let ticks = UInt64(columns[19])
        else { throw FileError(path: path, expected: "22 columns") }
        name = String(text[text.index(after: open)..<close])
        startTicks = ticks
        threadCount = threads
        hasEnded = "ZX".contains(columns[0]) && threads <= 1
    }
}

extension HostFiles {
    /// Where a symbolic link points, such as `net:[4026531840]` for /proc/<pid>/ns/net.
    func link(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = buffer.withUnsafeMutableBytes { bytes in
            readlink(root + path, bytes.baseAddress!, bytes.count)
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
