// What a script for a doctor's report would change, and what stays in the way all the same.

import ConnectionEngine

public struct DoctorFixes {
    /// One for each sysctl, with the highest of the values that the backends need.
    public let changes: [HostChange]
    /// The largest limit of open files that a backend needs; the script explains it only.
    public let openFiles: FixScript.OpenFiles?
    /// What the script does not move, a line each.
    public let remaining: [String]
    private let connections: Int

    public init(_ report: DoctorReport) {
        connections = report.connections
        var changes: [HostChange] = []
        var openFiles: FixScript.OpenFiles?
        var remaining: [String] = []
        for forecast in report.backends {
            let name = forecast.backend.rawValue
            if let reason = forecast.unavailable { remaining.append("\(name): \(reason)") }
            guard let preflight = forecast.preflight else { continue }
            changes += preflight.changes(for: report.connections)
            let files = preflight.openFiles(for: report.connections, facts: report.host)
            if let files {
                changes += [files.change].compactMap { $0 }
                if files.limit.wanted > openFiles?.wanted ?? 0 { openFiles = files.limit }
                remaining.append(
                    "\(name): the limit of open files must be \(files.limit.wanted), which the"
                        + " script explains and does not set")
            }
            for wall in preflight.refusing(report.connections)
            where preflight.change(of: wall, for: report.connections) == nil {
                if wall.resource == .descriptors, files != nil { continue }
                remaining.append(preflight.refusal(by: wall, of: report.connections))
            }
            if let wall = forecast.processors, wall.connectionsMax < report.connections {
                remaining.append(
                    "\(name): \(wall.resource.title) ends at \(Count.format(wall.connectionsMax))"
                        + " connections (\(wall.formula))")
            }
        }
        self.changes = Self.highest(changes)
        self.openFiles = openFiles
        self.remaining = remaining
    }

    /// The script; `nil` where there is nothing to change.
    public func script() throws(FixScriptError) -> String? {
        if changes.isEmpty, openFiles == nil { return nil }
        return try FixScript(changes: changes, openFiles: openFiles).text
    }

    /// Why there is none.
    public var nothingToChange: String {
        "nothing to change: no sysctl keeps \(Count.format(connections)) connections from fitting"
    }

    private static func highest(_ changes: [HostChange]) -> [HostChange] {
        var kept: [HostChange] = []
        for change in changes {
            guard let index = kept.firstIndex(where: { $0.name == change.name }) else {
                kept.append(change)
                continue
            }
            let isHigher = SysctlChange(
                name: change.name, old: kept[index].wanted, new: change.wanted
            ).raises
            if isHigher { kept[index] = change }
        }
        return kept
    }
}
