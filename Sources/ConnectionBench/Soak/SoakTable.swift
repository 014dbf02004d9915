// A soak's result as a table that a person reads at once: the slopes, the checks, the verdict.

import ConnectionEngine

public struct SoakTable {
    private let result: SoakResult

    /// Of many processes those are shown whose slope is the steepest, and all that are not flat.
    private static let processesMax = 4

    public init(_ result: SoakResult) {
        self.result = result
    }

    public var text: String {
        var lines = heading
        if !result.judged.isEmpty { lines += [""] + TextGrid.lines(cells) + hidden }
        lines += [""] + checks
        lines += [""] + notes + [verdict]
        return lines.joined(separator: "\n")
    }

    private var heading: [String] {
        let shape = result.soak
        let closes =
            shape.closesPerSecond > 0
            ? "\(Count.format(Int(shape.closesPerSecond))) a second end (\(Self.words(shape.closing)))"
                + " and are replaced"
            : "none of them ends"
        return [
            ToolHeading.line(
                result.tool, "soak on \(result.layout?.backend.rawValue ?? "no backend")",
                result.host),
            "\(Count.format(result.plan.connections)) connections held for"
                + " \(DurationCount.text(result.seconds)) of \(DurationCount.text(shape.seconds)),"
                + " \(result.plan.loadWords.replacing(" per probe", with: "")); \(closes)",
            "\(Count.format(result.samples)) looks; the first"
                + " \(DurationCount.text(result.warmupSeconds)) are warm-up and not judged",
        ]
    }

    private static func words(_ closing: SoakShape.Closing) -> String {
        switch closing {
        case .reset: "by reset from the client"
        case .fin: "by FIN from the client"
        case .mixed: "by reset and FIN from the client, in turns"
        }
    }

    // MARK: Slopes

    private var shown: [(series: SoakSeries, verdict: SeriesVerdict)] {
        let judged = result.judged
        let processes = judged.filter { $0.series.name != "kernel slab" }
        guard processes.count > Self.processesMax else { return judged }
        let steepest = processes.sorted {
            ($0.verdict.slopePerHour ?? -.infinity) > ($1.verdict.slopePerHour ?? -.infinity)
        }.prefix(Self.processesMax).map(\.series.name)
        return judged.filter {
            $0.series.name == "kernel slab" || $0.verdict.kind == .rising
                || steepest.contains($0.series.name)
        }
    }

    private var hidden: [String] {
        let count = result.judged.count - shown.count
        guard count > 0 else { return [] }
        return ["and \(Count.format(count)) more processes, none of which is steeper"]
    }

    private var cells: [[String]] {
        [["", "first", "last", "slope/h", "99 % sure/h", "allowed/h", "verdict"]]
            + shown.map { series, verdict in
                let ends = series.ends(result.times, from: result.warmupSeconds)
                let interval = verdict.lowPerHour.flatMap { low in
                    verdict.highPerHour.map { "\(Self.signed(low)) to \(Self.signed($0))" }
                }
                return [
                    series.name, ends.map { Self.bytes($0.first) } ?? "?",
                    ends.map { Self.bytes($0.last) } ?? "?",
                    verdict.slopePerHour.map(Self.signed) ?? "?", interval ?? "?",
                    Self.bytes(verdict.allowedPerHour), verdict.kind.rawValue,
                ]
            }
    }

    private static func bytes(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e18 else { return "?" }
        return Count.format(bytes: Int(value.rounded()))
    }

    private static func signed(_ value: Double) -> String {
        (value > 0 ? "+" : "") + bytes(value)
    }

    // MARK: Checks and notes

    private var checks: [String] {
        result.checks.map { check in
            let looks = "\(Count.format(check.looks)) look\(check.looks == 1 ? "" : "s")"
            guard let first = check.firstFailure else {
                return "ok      \(check.kind.title) (\(looks))"
            }
            return
                "BROKEN  \(check.kind.title): not at \(Count.format(check.failures)) of \(looks);"
                + " \(first)"
        }
    }

    private var notes: [String] {
        let load = result.load
        var lines: [String] = []
        if load.latency.count > 0 {
            lines.append(
                "echo: \(Count.format(load.answered)) answers, p50"
                    + " \(DurationText.of(load.latency.p50Nanoseconds)), p99"
                    + " \(DurationText.of(load.latency.p99Nanoseconds)), at most"
                    + " \(DurationText.of(load.latency.maxNanoseconds));"
                    + " \(Count.format(load.wrongAnswers)) wrong,"
                    + " \(Count.format(load.unanswered)) unanswered")
        }
        if result.soak.closesPerSecond > 0 {
            lines.append(
                "churn: \(Count.format(load.retired)) ended and \(Count.format(load.replaced))"
                    + " took their places; \(Count.format(load.closesUnasked)) ended unasked")
        }
        lines.append(
            "loop lag: server at most"
                + " \(result.lag.serverMaxNanoseconds.map(DurationText.of) ?? "unknown"), client at"
                + " most \(DurationText.of(result.lag.client.maxNanoseconds))")
        if let growth = result.slabGrowth, let first = growth.caches.first {
            lines.append(
                "kernel slab since the warm-up: \(Self.signed(Double(growth.totalBytes))), most of"
                    + " it \(first.name) (\(Self.signed(Double(first.bytes))))")
        }
        if let left = result.teardown?.timeWait, left > 0 {
            lines.append(
                "teardown: \(Count.format(left)) connections of this network were in TIME_WAIT after"
                    + " the last close, which the kernel keeps for a minute")
        }
        lines += result.warnings.map { "warning [\($0.id)] \($0.message)" }
        if let stopped = result.stopped { lines.append("stopped: \(stopped.message)") }
        return lines
    }

    private var verdict: String {
        "\(result.status.rawValue) \(sentence)"
            + (result.exitCode == 0 ? "" : " (exit \(result.exitCode))")
    }

    private var sentence: String {
        let rising = result.judged.filter { $0.verdict.kind == .rising }.map(\.series.name)
        let broken = result.checks.filter { !$0.holds }
        switch result.status {
        case .pass: return "nothing rises, nothing was lost, and everything was given back"
        case .leak:
            let parts = [
                rising.isEmpty ? nil : "rising: \(rising.joined(separator: ", "))",
                broken.isEmpty
                    ? nil : "not kept: " + broken.map(\.kind.title).joined(separator: "; "),
            ]
            return parts.compactMap { $0 }.joined(separator: "; ")
        case .lost:
            return
                "\(Count.format(result.load.closesUnasked)) connections ended unasked,"
                + " \(Count.format(result.load.wrongAnswers)) answers were wrong"
        case .late:
            return "a loop was \(DurationText.of(result.lag.maxNanoseconds)) late, at most"
                + " \(DurationCount.text(result.soak.lagMaxSeconds ?? 0)) was allowed"
        case .cannotTell:
            let needed = result.secondsNeeded.map {
                ": for all of them give --for \(Self.argument($0)) or more"
            }
            return "nothing was wrong, but the time was too short to tell a slope from the noise"
                + (needed ?? "")
        case .incomplete:
            return "ended after \(DurationCount.text(result.seconds)) of"
                + " \(DurationCount.text(result.soak.seconds))"
                + (broken.isEmpty
                    ? ", all checks held until then"
                    : "; not kept: " + broken.map(\.kind.title).joined(separator: "; "))
        }
    }

    /// A length of time that --for takes.
    private static func argument(_ seconds: Double) -> String {
        seconds < 120
            ? "\(Int(seconds.rounded(.up)))s" : "\(Int((seconds / 60).rounded(.up)))m"
    }
}
