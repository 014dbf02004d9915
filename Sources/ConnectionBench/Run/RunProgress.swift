// What a run says while it goes on: one changing line on a terminal, plain lines otherwise.

import ConnectionEngine
import Glibc

/// Messages for people, on standard error only.
public final class RunProgress {
    private let isQuiet: Bool
    private let isTerminal: Bool
    private var hasOpenLine = false
    private var lastLine = MonotonicTime.zero

    public init(isQuiet: Bool) {
        self.isQuiet = isQuiet
        let term = getenv("TERM").map { String(cString: $0) } ?? ""
        isTerminal = isatty(STDERR_FILENO) == 1 && term != "dumb" && getenv("CI") == nil
    }

    /// A line that stays.
    public func say(_ text: String) {
        guard !isQuiet else { return }
        endLine()
        write(text + "\n")
    }

    /// A line that --quiet does not take away: what the user must do something about.
    func insist(_ text: String) {
        endLine()
        write("uring-bench: \(text)\n")
    }

    /// A state that is soon out of date: at most 10 times a second on a terminal, else every 5 s.
    func update(_ text: @autoclosure () -> String) {
        guard !isQuiet else { return }
        let now = MonotonicTime.now
        let pause: UInt64 = isTerminal ? 100_000_000 : 5_000_000_000
        guard now.nanoseconds(since: lastLine) >= pause else { return }
        lastLine = now
        if isTerminal {
            write("\r" + text() + "\u{1b}[K")
            hasOpenLine = true
        } else {
            write(text() + "\n")
        }
    }

    /// The next phase begins: its first state waits for its turn.
    func beginPhase() {
        lastLine = .now
    }

    /// Takes a changing line away, so that something else can be written.
    func endLine() {
        if hasOpenLine { write("\r\u{1b}[K") }
        hasOpenLine = false
    }

    private func write(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes {
                Glibc.write(STDERR_FILENO, $0.baseAddress!, $0.count)
            }
            // A closed standard error must not end a run.
            if written <= 0 { return }
            bytes = bytes.dropFirst(written)
        }
    }
}
