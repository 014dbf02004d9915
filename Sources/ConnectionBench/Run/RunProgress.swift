// What a run says while it goes on: a table with a living last row on a terminal, plain lines otherwise.

import ConnectionEngine
import Glibc

/// Messages for people, on standard error only.
public final class RunProgress {
    private let isQuiet: Bool
    private let isTerminal: Bool
    /// Lines at the end of the terminal that the next ones take the place of.
    private var openLines = 0
    private var hasHeader = false
    private var lastLine = MonotonicTime.zero

    public init(isQuiet: Bool) {
        self.isQuiet = isQuiet
        let term = getenv("TERM").map { String(cString: $0) } ?? ""
        isTerminal = isatty(STDERR_FILENO) == 1 && term != "dumb" && getenv("CI") == nil
    }

    /// A living table is drawn.
    var isLive: Bool { isTerminal && !isQuiet }

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
        guard isDue else { return }
        if isTerminal {
            redraw([text()])
        } else {
            write(text() + "\n")
        }
    }

    /// The same, with what is known of the run: on a terminal the table's last row, which lives.
    ///
    /// - Parameters:
    ///   - text: the phase in words; all that is said where there is no terminal.
    ///   - part: of the phase that is done, 0 to 1; `nil`: nobody knows.
    func update(_ text: @autoclosure () -> String, part: Double?, row: () -> LiveRow) {
        guard isTerminal else { return update(text()) }
        guard !isQuiet, isDue else { return }
        let bar = part.map { LiveTable.bar($0, width: 30) + " " } ?? ""
        redraw(header + [LiveTable.text(row()), bar + text()])
        // The header stays.
        if !hasHeader {
            hasHeader = true
            openLines -= 1
        }
    }

    /// A row that stays: a step that is done.
    func say(_ text: @autoclosure () -> String, row: () -> LiveRow) {
        guard isTerminal else { return say(text()) }
        guard !isQuiet else { return }
        endLine()
        for line in header + [LiveTable.text(row())] { write(line + "\n") }
        hasHeader = true
    }

    private var header: [String] { hasHeader ? [] : [LiveTable.header] }

    private var isDue: Bool {
        let now = MonotonicTime.now
        let pause: UInt64 = isTerminal ? 100_000_000 : 5_000_000_000
        guard now.nanoseconds(since: lastLine) >= pause else { return false }
        lastLine = now
        return true
    }

    /// Writes lines over the open ones, each cut to the terminal: a wrapped line could not be taken
    /// away again.
    private func redraw(_ lines: [String]) {
        let width = columns
        write(erasing + lines.map { String($0.prefix(width)) }.joined(separator: "\n"))
        openLines = lines.count
    }

    private var erasing: String {
        guard openLines > 0 else { return "" }
        return "\r\u{1b}[K" + String(repeating: "\u{1b}[1A\u{1b}[K", count: openLines - 1)
    }

    private var columns: Int {
        var size = winsize()
        let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return (isKnown ? Int(size.ws_col) : 80) - 1
    }

    /// The next phase begins: its first state waits for its turn.
    func beginPhase() {
        lastLine = .now
    }

    /// Takes a changing line away, so that something else can be written.
    func endLine() {
        write(erasing)
        openLines = 0
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
