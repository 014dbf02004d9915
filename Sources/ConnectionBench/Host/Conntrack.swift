// The firewall's table of connections, in the calling thread's network namespace.

/// A flow has an entry only where some rule makes the kernel track it.
enum Conntrack {
    /// Entries now; `nil` without conntrack.
    static func count() -> Int? {
        HostFiles(root: "").integer("/proc/sys/net/netfilter/nf_conntrack_count")
    }

    /// The sum over processors of `drop` and `early_drop` of /proc/net/stat/nf_conntrack, since the
    /// boot; `nil` without conntrack, or where the kernel has no such file.
    static func drops(_ files: HostFiles) -> Int? {
        guard let text = files.text("\(NetworkFolder.path(of: nil))/stat/nf_conntrack") else {
            return nil
        }
        return drops(statistics: text)
    }

    /// A line of names, then one of hexadecimal numbers for each processor.
    static func drops(statistics text: String) -> Int? {
        let lines = text.split(separator: "\n").map { $0.split(whereSeparator: \.isWhitespace) }
        guard let names = lines.first else { return nil }
        var sum = 0
        // `insert_failed` counts flows that two processors have begun at once, in an empty table too.
        for name in ["drop", "early_drop"] {
            guard let column = names.firstIndex(of: name[...]) else { continue }
            for line in lines.dropFirst() where column < line.count {
                sum += UInt32(line[column], radix: 16).map { Int($0) } ?? 0
            }
        }
        return sum
    }
}
