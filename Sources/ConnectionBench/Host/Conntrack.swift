// The firewall's table of connections, in the calling thread's network namespace.

/// A flow has an entry only where some rule makes the kernel track it.
enum Conntrack {
    /// Entries now; `nil` without conntrack.
    static func count() -> Int? {
        HostFiles(root: "").integer("/proc/sys/net/netfilter/nf_conntrack_count")
    }

    /// The sum over processors of `drop`, `early_drop` and `insert_failed` of
    /// /proc/net/stat/nf_conntrack; `nil` without conntrack.
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
        for name in ["drop", "early_drop", "insert_failed"] {
            guard let column = names.firstIndex(of: name[...]) else { continue }
            for line in lines.dropFirst() where column < line.count {
                sum += Int(line[column], radix: 16) ?? 0
            }
        }
        return sum
    }
}
