// A remedy in words, and the command that it begins with.

struct Remedy {
    let words: String

    init(_ words: String) {
        self.words = words
    }

    private static let programs = ["sysctl", "ulimit", "prlimit", "uring-bench", "modprobe"]

    /// What can be pasted into a shell; `nil`: the remedy is words only.
    var command: String? {
        let first = words.prefix { $0 != " " }
        guard Self.programs.contains(String(first)) else { return nil }
        let ends = [" (", ", or ", "; ", " or "].compactMap { words.firstRange(of: $0)?.lowerBound }
        return String(words[..<(ends.min() ?? words.endIndex)])
    }
}
