// The report as a person reads it: the answer first, 80 columns.

import ConnectionEngine

public struct DoctorText {
    static let width = 80
    private let report: DoctorReport

    public init(_ report: DoctorReport) {
        self.report = report
    }

    public var text: String {
        var lines = answer
        for forecast in report.backends where forecast.preflight != nil {
            lines.append("")
            lines += ranking(forecast)
        }
        lines += notes
        if !report.unknown.isEmpty {
            lines += ["", "Unknown, because …"]
            for fact in report.unknown {
                lines += TextLayout.wrap(
                    "\(fact.name): \(fact.reason)", first: "  ? ", rest: "    ", width: Self.width)
            }
        }
        lines.append("")
        for warning in report.warnings {
            lines += TextLayout.wrap(
                "warning [\(warning.id)] \(warning.message)", first: "", rest: "  ",
                width: Self.width)
        }
        lines += TextLayout.wrap(
            "Nothing was changed. Measured and read in \(Decimal1.text(report.seconds)) s on"
                + " \(report.host.kernelRelease.map { "Linux \($0)" } ?? "an unknown kernel").",
            first: "", rest: "", width: Self.width)
        return lines.joined(separator: "\n")
    }

    private var answer: [String] {
        let wanted = Count.format(report.connections)
        var lines = ["Can this machine hold \(wanted) connections, both ends on it?", ""]
        for forecast in report.backends {
            let name = TextLayout.pad(forecast.backend.rawValue, 8)
            if let reason = forecast.unavailable {
                lines += TextLayout.wrap(
                    "cannot be used: \(reason)", first: "  \(name)no    ", rest: "                ",
                    width: Self.width)
                continue
            }
            guard let nearest = forecast.walls.first else { continue }
            let verdict = forecast.holds(report.connections) ? "yes" : "no "
            let end =
                "ends at \(Count.format(nearest.connectionsMax)): \(nearest.resource.title)"
            lines += TextLayout.wrap(
                end, first: "  \(name)\(verdict)   ", rest: "                ", width: Self.width)
            if let calibrated = forecast.calibrationFailure {
                lines += TextLayout.wrap(
                    "costs are from a table, not measured: \(calibrated)",
                    first: "                ", rest: "                ", width: Self.width)
            }
            if !forecast.holds(report.connections) {
                for wall in forecast.walls where wall.connectionsMax < report.connections {
                    guard let preflight = forecast.preflight, wall.resource != .processors
                    else { continue }
                    let remedy = preflight.remedy(for: wall, connections: report.connections)
                    lines += TextLayout.wrap(
                        "to pass \(wall.resource.title): \(remedy)",
                        first: "                > ", rest: "                  ",
                        width: Self.width)
                }
            }
        }
        return lines
    }

    private func ranking(_ forecast: BackendForecast) -> [String] {
        var lines = ["\(forecast.backend.rawValue): where each limit ends it, the nearest first"]
        for wall in forecast.walls {
            let mark = wall.connectionsMax < report.connections ? "x" : " "
            let count = TextLayout.padLeft(
                wall.connectionsMax > 999_999_999 ? "no end" : Count.format(wall.connectionsMax), 12
            )
            lines.append("\(mark)\(count)  \(wall.resource.title)")
            lines += TextLayout.wrap(
                "\(wall.origin) is \(wall.limitText); \(wall.formula)",
                first: "               ", rest: "               ", width: Self.width)
        }
        return lines
    }

    private static let titles: [(DoctorNote.Chapter, String)] = [
        (.ports, "Ports"), (.descriptors, "File descriptors"), (.threads, "Threads"),
        (.memory, "Memory"), (.processors, "Processors"), (.network, "Queues and the firewall"),
        (.ioUring, "io_uring"),
    ]

    private var notes: [String] {
        var lines: [String] = []
        for (chapter, title) in Self.titles {
            let found = report.notes.filter { $0.chapter == chapter }
            guard !found.isEmpty else { continue }
            lines += ["", title]
            for note in found {
                let mark = note.state == .warning ? "! " : "- "
                lines += TextLayout.wrap(
                    note.text, first: "  \(mark)", rest: "    ", width: Self.width)
            }
        }
        return lines
    }
}
