// The limits that the control groups of a process put on it, in cgroup v1 and v2.

/// A limit of a control group, and how much of it is used already.
public struct ControlGroupLimit: Codable, Hashable, Sendable {
    /// Threads (`pids`) or bytes (`memory`).
    public let limit: Ceiling
    /// `nil` where it is not readable. For memory without the file cache that can be dropped.
    public let used: Int?
    /// The file of the limit.
    public let path: String

    /// What is left; `nil` when nothing limits, or when the use is unknown.
    public var left: Int? {
        guard let limit = limit.value, let used else { return nil }
        return max(0, limit - used)
    }
}

/// Finds the groups of a process through its /proc/<pid>/cgroup, and where they are mounted for us
/// through /proc/self/mountinfo.
///
/// A limit holds for a group and all below it, so each one up to the visible root is read, and the
/// tightest is what counts.
struct ControlGroup {
    let files: HostFiles
    /// A pid, or `self`.
    var process = "self"

    /// The tightest limit on threads and processes; `nil` where none can be read.
    func pids() -> ControlGroupLimit? {
        let limits = directories(controller: "pids").compactMap { directory in
            limit("\(directory)/pids.max") { files.integer("\(directory)/pids.current") }
        }
        return tightest(of: limits)
    }

    /// The tightest limit on memory in bytes; `nil` where none can be read.
    func memory() -> ControlGroupLimit? {
        let limits = directories(controller: "memory").compactMap { directory in
            limit("\(directory)/memory.max") { used("\(directory)/memory.current", in: directory) }
                ?? limit("\(directory)/memory.limit_in_bytes") {
                    used("\(directory)/memory.usage_in_bytes", in: directory)
                }
        }
        return tightest(of: limits)
    }

    /// How often a limit on threads stopped one, `max` of pids.events, over all visible groups.
    ///
    /// The sum, for its changes to tell: a group and those above it may count the same event, and
    /// the largest count alone would hide those of another group.
    func pidEvents() -> Int? {
        let counts = directories(controller: "pids").compactMap { directory in
            files.text("\(directory)/pids.events").flatMap { Self.value(of: "max", in: $0) }
        }
        return counts.isEmpty ? nil : counts.reduce(0, &+)
    }

    /// How often a limit on memory was met: `max` of memory.events (v2), memory.failcnt (v1). A sum
    /// as above.
    func memoryEvents() -> Int? {
        let counts = directories(controller: "memory").compactMap { directory in
            files.text("\(directory)/memory.events").flatMap { Self.value(of: "max", in: $0) }
                ?? files.integer("\(directory)/memory.failcnt")
        }
        return counts.isEmpty ? nil : counts.reduce(0, &+)
    }

    /// A line such as `max 3`.
    private static func value(of name: String, in text: String) -> Int? {
        for line in text.split(separator: "\n") {
            let columns = line.split(separator: " ")
            if columns.count == 2, columns[0] == name { return Int(columns[1]) }
        }
        return nil
    }

    private func limit(_ path: String, used: () -> Int?) -> ControlGroupLimit? {
        guard let text = files.value(path), let ceiling = Ceiling(text) else { return nil }
        return ControlGroupLimit(limit: ceiling, used: used(), path: path)
    }

    /// Usage without `inactive_file`, as the kernel drops that before it refuses memory.
    private func used(_ path: String, in directory: String) -> Int? {
        guard let usage = files.integer(path) else { return nil }
        let statistics = files.text("\(directory)/memory.stat") ?? ""
        return max(0, max(0, usage) - (Self.inactiveFileBytes(statistics: statistics) ?? 0))
    }

    /// File cache that the kernel drops first, from a memory.stat.
    static func inactiveFileBytes(statistics: String) -> Int? {
        let lines = statistics.split(separator: "\n").map { $0.split(separator: " ") }
        // v1 has the value of the group alone as well; the one with its children matches the usage.
        for name in ["total_inactive_file", "inactive_file"] {
            for line in lines where line.count == 2 && line[0] == name {
                return UInt(line[1]).map { Int(clamping: $0) }
            }
        }
        return nil
    }

    private func tightest(of limits: [ControlGroupLimit]) -> ControlGroupLimit? {
        limits.min { one, other in
            (one.left ?? one.limit.value ?? .max) < (other.left ?? other.limit.value ?? .max)
        }
    }

    /// The directories of the process's group and its ancestors, in v1 and v2.
    private func directories(controller: String) -> [String] {
        guard let mounts = files.text("/proc/self/mountinfo"),
            let groups = files.text("/proc/\(process)/cgroup")
        else { return [] }
        var directories: [String] = []
        for group in groups.split(separator: "\n") {
            // `8:pids:/path` in v1, `0::/path` in v2. The path may hold colons.
            let columns = group.split(
                separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            // Seen from inside a container, a group outside of it has a path with `..`.
            guard columns.count == 3, !columns[2].hasPrefix("/..") else { continue }
            let isUnified = columns[0] == "0" && columns[1].isEmpty
            guard isUnified || columns[1].split(separator: ",").contains(controller[...]) else {
                continue
            }
            for mount in mounts.split(separator: "\n") {
                guard let mount = Mount(mount), mount.carries(controller, isUnified: isUnified)
                else { continue }
                directories += mount.directories(upFrom: columns[2])
            }
        }
        return directories
    }
}

/// One line of /proc/self/mountinfo, see proc_pid_mountinfo(5).
private struct Mount {
    /// The group that is mounted: `/`, or the container's own group.
    let root: Substring
    let point: Substring
    let type: Substring
    let options: Substring

    init?(_ line: Substring) {
        let columns = line.split(separator: " ")
        // Optional columns stand before the "-", so what follows it is counted from there.
        guard let dash = columns.firstIndex(of: "-"), dash >= 6, dash + 3 < columns.count else {
            return nil
        }
        root = columns[3]
        point = columns[4]
        type = columns[dash + 1]
        options = columns[dash + 3]
    }

    func carries(_ controller: String, isUnified: Bool) -> Bool {
        if isUnified { return type == "cgroup2" }
        return type == "cgroup" && options.split(separator: ",").contains(controller[...])
    }

    /// Within a container the group's path may or may not begin with the mounted root.
    func directories(upFrom group: Substring) -> [String] {
        var names = group.split(separator: "/")
        let rootNames = root.split(separator: "/")
        if names.starts(with: rootNames) { names.removeFirst(rootNames.count) }
        var directories: [String] = []
        while !names.isEmpty {
            directories.append("\(point)/\(names.joined(separator: "/"))")
            names.removeLast()
        }
        return directories + [String(point)]
    }
}
