// A whole machine as text: `=== /proc/…` before the content of each file.

@testable import ConnectionBench

extension FuzzTarget {
    /// Everything that reads facts of the host from files.
    public static let hostFiles = FuzzTarget(
        "host-files",
        text: { text in
            let files = HostFiles(texts: texts(of: text))
            let facts = HostFacts(reading: files)
            promise(facts.processorsOnline.map { $0 > 0 } ?? true, "no processor is online")
            promise(facts.processorsAllowed.map { $0 > 0 } ?? true, "no processor is allowed")
            promise(facts.tcpMemoryPages.map { $0.count == 3 } ?? true, "tcp_mem")
            for process in ["self", "1"] {
                let group = ControlGroup(files: files, process: process)
                for limit in [group.pids(), group.memory()] {
                    promise(limit?.left.map { $0 >= 0 } ?? true, "less than nothing is left")
                    promise(limit?.limit.value.map { $0 >= 0 } ?? true, "a negative limit")
                }
                _ = group.pidEvents()
                _ = group.memoryEvents()
            }
            if let stat = try? ProcessStat(pid: 1, files: files) {
                promise(!stat.name.isEmpty || text.contains("()"), "a process without a name")
                let identity = ProcessIdentity(pid: 1, startTicks: stat.startTicks)
                promise(identity.isAlive(files: files) != stat.hasEnded, "alive or ended")
            }
            _ = Conntrack.drops(files)
            for name in ["net.ipv4.tcp_mem", "kernel/pid_max", text] {
                if let path = SysctlChange.path(of: name) {
                    promise(path.hasPrefix("/proc/sys/") && !path.contains("/."), path)
                }
            }
            let round = try? JSONText.decoder().decode(
                HostFacts.self, from: json(facts))
            promise(round == facts, "facts that do not survive JSON")
        })

    static func texts(of text: String) -> [String: String] {
        var texts: [String: String] = [:]
        var path: String?
        var lines: [Substring] = []
        func finish() {
            if let path { texts[path] = lines.joined(separator: "\n") + "\n" }
            lines = []
        }
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("=== /") {
                finish()
                path = String(line.dropFirst(4))
            } else {
                lines.append(line)
            }
        }
        finish()
        return texts
    }

    /// What `restore` reads after a kill -9.
    public static let sysctlJournal = FuzzTarget(
        "sysctl-journal",
        text: { text in
            guard let journal = try? StoredJournal(path: "j", text: text) else { return }
            let lines =
                [journal.owner.map { StoredJournal.line($0) }].compactMap { $0 }
                + journal.changes.map { StoredJournal.line($0) }
            promise(lines.allSatisfy { $0.hasSuffix("}\n") }, "a line that was not written")
            // Cut anywhere in its last line, a journal has one change less, and never another one.
            let whole = lines.joined()
            for cut in [whole.utf8.count / 2, whole.utf8.count - 1] where cut > 0 {
                let part = String(decoding: whole.utf8.prefix(cut), as: UTF8.self)
                guard let shorter = try? StoredJournal(path: "j", text: part) else {
                    fatalError("broken promise: a journal that was cut off is refused")
                }
                promise(
                    journal.changes.starts(with: shorter.changes)
                        && shorter.changes.count < max(1, journal.changes.count),
                    "changes of a journal that was cut off")
            }
            let again = try? StoredJournal(path: "j", text: whole)
            promise(
                again?.changes == journal.changes && again?.owner == journal.owner,
                "a journal that does not survive")
            for change in journal.changes {
                promise(
                    SysctlChange.normalised(change.new) == SysctlChange.normalised(change.new), "")
                _ = change.raises
                if let path = change.path {
                    promise(path.hasPrefix("/proc/sys/") && !path.contains("/."), path)
                }
            }
        })
}
