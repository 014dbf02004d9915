// `--apply`: sysctls that are raised for one run, and put back at its end.

import ConnectionEngine

extension Run {
    /// Raises what keeps the run from its connections, and predicts again.
    ///
    /// Nothing is written unless the run can go on then: a wall that no sysctl moves is named first.
    func raiseLimits(_ preflight: Preflight, _ backend: BackendKind) throws -> Preflight {
        let changes = try changes(for: preflight)
        guard !changes.isEmpty else { return preflight }
        let own = network.isOwn ? changes.filter { $0.name == PortWidening.sysctl } : []
        try raiseInOwnNetwork(own)
        try raiseOnHost(changes.filter { !own.contains($0) })
        result.host = network.asClient { HostFacts.read() }
        return try forecast(backend)
    }

    private func changes(for preflight: Preflight) throws -> [HostChange] {
        if plan.climbsToWall { return preflight.changes(towards: .max) }
        let connections = plan.connections
        if plan.untilWall { return preflight.changes(towards: connections) }
        if !plan.ignoresWalls {
            let refusing = preflight.refusing(connections)
            let first = refusing.first { preflight.change(of: $0, for: connections) == nil }
            if let first {
                throw RunStop(
                    .wall,
                    preflight.refusal(by: first, of: connections)
                        + "; --apply raises sysctls only, and has changed nothing; --until-wall"
                        + " climbs as far as it is safe", exitCode: 77)
            }
        }
        return preflight.changes(for: connections)
    }

    /// Ends with the run, whatever ends that: no journal is needed.
    private func raiseInOwnNetwork(_ changes: [HostChange]) throws {
        for change in changes {
            try network.setSysctl(change.name, change.wanted)
            progress.say(
                "raised \(change.name) from \(change.present) to \(change.wanted) in the run's own"
                    + " network: \(change.reason)")
            result.appliedChanges.append(AppliedChange(change, isPrivate: true))
        }
    }

    private func raiseOnHost(_ changes: [HostChange]) throws {
        guard !changes.isEmpty else { return }
        do throws(SysctlError) {
            let journal = try SysctlJournal()
            // What a failed attempt could not put back is tried again at the end.
            self.journal = journal
            try journal.apply(changes.map(\.change))
        } catch {
            record(changes)
            throw RunStop(.machineUnfit, Self.refusal(error, changes), exitCode: 1)
        }
        record(changes)
    }

    private static func refusal(_ error: SysctlError, _ changes: [HostChange]) -> String {
        switch error {
        case .notPrivileged, .value:
            let values = changes.map { "\($0.name)=\"\($0.wanted)\"" }.joined(separator: " ")
            return "--apply: \(error); or have an administrator set \(values)"
        default: return "--apply: \(error)"
        }
    }

    /// Only what was really written: a value that is already there is somebody else's to undo.
    private func record(_ changes: [HostChange]) {
        for change in changes where journal?.changes.contains(change.change) == true {
            progress.say(
                "raised \(change.name) from \(change.present) to \(change.wanted), until the end of"
                    + " this run: \(change.reason)")
            result.appliedChanges.append(AppliedChange(change))
        }
    }

    /// Puts everything back; never fails, and tells what could not be.
    func restoreLimits() {
        guard let journal, !journal.changes.isEmpty else { return }
        do throws(SysctlError) {
            for outcome in try journal.restore() {
                for index in result.appliedChanges.indices
                where result.appliedChanges[index].change == outcome.change {
                    result.appliedChanges[index].outcome = outcome.kind.name
                }
                if outcome.hasFailed {
                    notRestored("\(outcome)")
                } else {
                    progress.say("\(outcome)")
                }
            }
        } catch {
            notRestored("\(error)")
        }
    }

    /// The host is not as it was: that is no success, and no progress that --quiet may hide.
    private func notRestored(_ text: String) {
        let message = "\(text); run 'uring-bench restore'"
        progress.insist(message)
        result.warnings.append(RunWarning(id: "sysctl-not-restored", message: message))
        if result.exitCode == 0 { result.exitCode = 1 }
    }
}
