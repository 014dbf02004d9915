// The table that grows on a terminal while a run goes on: rows that stay, and a last one that lives.

/// What is known of a run at one moment.
struct LiveRow {
    var connections = 0
    var perSecond: Double?
    var p50Nanoseconds: UInt64?
    var p99Nanoseconds: UInt64?
    /// Busy part of all processors, 0 to 1.
    var processorShare: Double?
    /// Memory above the floor, and the connections that fit into it.
    var memoryLeftBytes: Int?
    var connectionsLeft: Int?
    var secondsLeft: Double?
}

enum LiveTable {
    private static let columns: [(title: String, width: Int)] = [
        ("conns", 11), ("conn/s", 8), ("p50", 9), ("p99", 9), ("CPU", 5), ("mem left", 9),
        ("room for", 11), ("ETA", 7),
    ]
    /// Of a row, in columns of a terminal.
    static let width = columns.reduce(-1) { $0 + $1.width + 1 }

    static var header: String { line(columns.map(\.title)) }

    static func text(_ row: LiveRow) -> String {
        line([
            Count.format(row.connections),
            row.perSecond.map { Count.format(Int($0)) } ?? "",
            row.p50Nanoseconds.map(DurationText.of) ?? "",
            row.p99Nanoseconds.map(DurationText.of) ?? "",
            row.processorShare.map { "\(Int(($0 * 100).rounded())) %" } ?? "",
            row.memoryLeftBytes.map { Count.format(bytes: max(0, $0)) } ?? "",
            row.connectionsLeft.map { Count.format(max(0, $0)) } ?? "",
            row.secondsLeft.map(seconds) ?? "",
        ])
    }

    /// A bar of `width` columns with its percentage.
    static func bar(_ part: Double, width: Int) -> String {
        let bounded = min(max(part, 0), 1)
        let inside = max(1, width - 8)
        let filled = Int((bounded * Double(inside)).rounded(.down))
        let percent = "\(Int(bounded * 100)) %"
        return "[" + String(repeating: "=", count: filled)
            + String(repeating: " ", count: inside - filled) + "] "
            + TextLayout.padLeft(percent, 5)
    }

    private static func line(_ cells: [String]) -> String {
        zip(cells, columns).map { TextLayout.padLeft($0, $1.width) }.joined(separator: " ")
    }

    /// `4.6 s`, `2:05`, `1:02:05`.
    static func seconds(_ seconds: Double) -> String {
        guard seconds >= 60 else { return "\(Decimal1.text(max(0, seconds))) s" }
        guard seconds < 360_000 else { return "> 99 h" }
        let whole = Int(seconds)
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return whole < 3_600
            ? "\(whole / 60):\(two(whole % 60))"
            : "\(whole / 3_600):\(two(whole / 60 % 60)):\(two(whole % 60))"
    }
}

/// How far a ramp is.
struct RampLine {
    let open: Int
    let target: Int
    /// Connections at the start of the ramp.
    let before: Int
    let seconds: Double

    var perSecond: Double { Double(open - before) / max(seconds, 0.001) }

    var secondsLeft: Double { perSecond > 1 ? Double(max(0, target - open)) / perSecond : 0 }

    var part: Double { Double(open - before) / Double(max(1, target - before)) }

    func text(_ judgement: Governor.Judgement) -> String {
        "connect \(Count.format(open)) of \(Count.format(target))"
            + "  \(Count.format(Int(perSecond)))/s  ETA \(Decimal1.text(secondsLeft)) s"
            + (judgement.level == .green ? "" : "  \(judgement.level.name): \(judgement.text)")
    }
}
