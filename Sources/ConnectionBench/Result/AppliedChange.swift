// A sysctl that a run has raised, and what became of it.

public struct AppliedChange: Codable, Hashable, Sendable {
    public var name: String
    public var old: String
    public var new: String
    /// What would have ended the run without it.
    public var reason: String
    /// In a network namespace of the run's own, which ends with it: nothing is put back.
    public var isPrivate: Bool
    /// At the end of the run: `restored`, `wasOld`, `changedMeanwhile` or `failed`, see
    /// ``SysctlOutcome``; absent for a private one.
    public var outcome: String?

    public init(_ change: HostChange, isPrivate: Bool = false) {
        name = change.name
        old = change.present
        new = change.wanted
        reason = change.reason
        self.isPrivate = isPrivate
    }

    var change: SysctlChange { SysctlChange(name: name, old: old, new: new) }

    /// One line for people.
    var text: String {
        let fate = isPrivate ? "in the run's own network" : outcome ?? "not put back"
        return "raised for this run: \(name) from \(old) to \(new) (\(fate))"
    }
}
