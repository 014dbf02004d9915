// A suspected regression is looked at again: both commands in turns, on the machine as it is now.

/// Runs the commands of both sides again, if both executables are still what they were.
public struct Confirmation {
    private let base: RunGroup
    private let new: RunGroup
    private let rounds: Int

    public init(_ pair: ComparedPair, rounds: Int) {
        base = pair.base
        new = pair.new
        self.rounds = rounds
    }

    /// Why they cannot be run again; `nil`: they can.
    public func obstacle() -> String? {
        for group in [base, new] {
            guard let run = group.runs.first?.result, let executable = run.tool.executable else {
                return "\(group.name) does not say which executable made it"
            }
            if let obstacle = executable.obstacle() { return obstacle }
            let changesHost = ["--apply", "--sysctl"].first { run.commandLine.contains($0) }
            if let changesHost { return "\(group.name) was made with \(changesHost)" }
            guard run.layout != nil else { return "\(group.name) was made with no backend" }
        }
        return nil
    }

    /// - Precondition: there is no ``obstacle()``.
    func candidates() -> [TurnCandidate] {
        zip([base, new], ["base", "new"]).compactMap { group, name in
            guard let run = group.runs.first?.result, let executable = run.tool.executable,
                let backend = run.layout?.backend
            else { return nil }
            return ToolCandidate.make(
                name: name, path: executable.path,
                options: RunOptions.again(run.commandLine) + ["--backend", backend.rawValue])
        }
    }

    /// The runs, and the comparison of the suspected figures alone.
    func perform(
        _ figures: Set<RegressionCheck.Figure>, rule: VerdictRule, tool: ToolFacts,
        commandLine: [String], progress: RunProgress
    ) throws -> (set: RunSet, comparison: Comparison) {
        let turns = try TurnRun(
            candidates(), rounds: rounds, warmupRuns: 1, thresholds: [], rule: rule, tool: tool,
            commandLine: commandLine, progress: progress)
        let set = turns.perform()
        let comparison = Comparison(
            base: RunGroup(set, candidate: "base"), new: RunGroup(set, candidate: "new"),
            isInterleaved: true, rule: rule
        ) { figures.contains(RegressionCheck.Figure(metric: $0, connections: $1)) }
        return (set, comparison)
    }
}

extension ComparisonReport {
    /// Compares all pairs, and runs again what looks like a regression.
    ///
    /// - Parameter confirmRounds: `nil`: nothing is run again.
    public static func make(
        _ pairs: [ComparedPair], thresholds: [RelativeThreshold], rule: VerdictRule,
        confirmRounds: Int?, tool: ToolFacts, commandLine: [String], progress: RunProgress
    ) throws -> ComparisonReport {
        var report = ComparisonReport(
            tool: tool, commandLine: commandLine, startedAt: WallClock.now, comparisons: [])
        let check = RegressionCheck(thresholds)
        for pair in pairs {
            let comparison = Comparison(
                base: pair.base, new: pair.new, isInterleaved: false, unlike: pair.unlike,
                rule: rule)
            report.comparisons.append(comparison)
            let asked = Comparison(
                base: pair.base, new: pair.new, isInterleaved: false, unlike: pair.unlike,
                rule: rule, where: check.asksAbout)
            let suspected = check.suspected(in: asked)
            let second =
                suspected.isEmpty
                ? SecondLook()
                : try report.lookAgain(
                    at: pair, suspected, rule: rule, rounds: confirmRounds, progress: progress)
            report.regressions += check.outcomes(
                asked, again: second.comparison, obstacle: second.obstacle)
            if report.exitCode != 0 { return report }
        }
        if report.regressions.contains(where: \.isRegression) { report.exitCode = 98 }
        return report
    }

    /// What became of running both commands again.
    private struct SecondLook {
        var comparison: Comparison?
        /// Why there is none.
        var obstacle: String?
    }

    /// - Parameter rounds: `nil`: nothing is run again.
    private mutating func lookAgain(
        at pair: ComparedPair, _ suspected: Set<RegressionCheck.Figure>, rule: VerdictRule,
        rounds: Int?, progress: RunProgress
    ) throws -> SecondLook {
        guard let rounds else { return SecondLook(obstacle: "--no-confirm") }
        let confirmation = Confirmation(pair, rounds: rounds)
        if let obstacle = confirmation.obstacle() { return SecondLook(obstacle: obstacle) }
        progress.say(
            "\(suspected.count) figure(s) look worse: running both commands again, in turns")
        let second = try confirmation.perform(
            suspected, rule: rule, tool: tool, commandLine: commandLine, progress: progress)
        runs = (runs ?? []) + [second.set]
        if let stopped = second.set.stopped {
            exitCode = stopped.exitCode
            return SecondLook(obstacle: stopped.message)
        }
        if second.set.runs.isEmpty {
            return SecondLook(obstacle: second.set.warnings.first?.message ?? "no run was made")
        }
        return SecondLook(comparison: second.comparison)
    }

    /// Of two executables that took turns: these runs are the confirmation already.
    public static func make(
        _ set: RunSet, thresholds: [RelativeThreshold], tool: ToolFacts, commandLine: [String]
    ) -> ComparisonReport {
        var report = ComparisonReport(
            tool: tool, commandLine: commandLine, startedAt: set.startedAt,
            comparisons: set.comparisons)
        let check = RegressionCheck(thresholds)
        report.regressions = set.comparisons.flatMap { comparison in
            let asked = Comparison(
                base: RunGroup(set, candidate: comparison.base),
                new: RunGroup(set, candidate: comparison.new), isInterleaved: true,
                rule: comparison.rule, where: check.asksAbout)
            return check.outcomes(asked, again: nil, obstacle: nil)
        }
        report.exitCode = set.exitCode
        if report.exitCode == 0, report.regressions.contains(where: \.isRegression) {
            report.exitCode = 98
        }
        report.runs = [set]
        return report
    }
}
