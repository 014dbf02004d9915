// Several candidates in turns, A B C, C B A, …, so that a slow change of the machine hits all alike.

import ConnectionEngine
import Glibc

/// One of those that take turns.
public struct TurnCandidate {
    public let name: String
    /// Makes run number `number` of the whole set, from 1 on; 0 is the one that does not count.
    let perform: (_ number: Int, _ signals: SignalWatch) throws -> RunResult

    init(
        name: String,
        perform: @escaping (_ number: Int, _ signals: SignalWatch) throws -> RunResult
    ) {
        self.name = name
        self.perform = perform
    }
}

/// Who runs when: every round has each candidate once, and every second round goes backwards.
struct TurnOrder {
    struct Turn: Equatable {
        let round: Int
        let candidate: Int
    }

    let turns: [Turn]

    init(candidates: Int, rounds: Int) {
        turns = (0..<rounds).flatMap { round in
            let order = Array(0..<candidates)
            return (round % 2 == 0 ? order : order.reversed()).map {
                Turn(round: round + 1, candidate: $0)
            }
        }
    }
}

/// Makes the runs, and puts them into one set with all comparisons.
///
/// Not to be used twice. The first run of each candidate only warms the machine up and is left out:
/// kernel memory that was never touched before makes the first ramp slower than all later ones.
public final class TurnRun {
    private let candidates: [TurnCandidate]
    private let rounds: Int
    private let warmupRuns: Int
    private let thresholds: [Threshold]
    private let rule: VerdictRule
    private let progress: RunProgress
    private let signals: SignalWatch
    private let startedAt = MonotonicTime.now
    private var set: RunSet
    /// Failures in a row, by candidate.
    private var failures: [Int]

    /// A candidate that fails so often in a row is given up, and the others go on.
    private static let failuresMax = 2

    public init(
        _ candidates: [TurnCandidate], rounds: Int, warmupRuns: Int, thresholds: [Threshold],
        rule: VerdictRule, tool: ToolFacts, commandLine: [String], progress: RunProgress
    ) throws {
        self.candidates = candidates
        self.rounds = rounds
        self.warmupRuns = warmupRuns
        self.thresholds = thresholds
        self.rule = rule
        self.progress = progress
        signals = try SignalWatch()
        failures = candidates.map { _ in 0 }
        set = RunSet(
            tool: tool, commandLine: commandLine, startedAt: WallClock.now,
            candidates: candidates.map(\.name))
        set.rounds = rounds
        set.exitCode = 0
    }

    public func perform() -> RunSet {
        let settling = Settling(signals)
        for _ in 0..<warmupRuns { warmUp() }
        for turn in TurnOrder(candidates: candidates.count, rounds: rounds).turns {
            if set.stopped?.kind == .interrupted { break }
            take(turn, settling)
        }
        finish()
        return set
    }

    private func warmUp() {
        for candidate in candidates where set.stopped == nil {
            progress.say("warming up with \(candidate.name); this run does not count")
            do {
                let result = try candidate.perform(0, signals)
                if result.stopped?.kind == .interrupted { set.stopped = result.stopped }
            } catch {
                // The first run that counts will fail in the same way, and say so.
                progress.say("\(candidate.name): \(error)")
            }
            hearSignals()
        }
    }

    private func take(_ turn: TurnOrder.Turn, _ settling: Settling) {
        let candidate = candidates[turn.candidate]
        guard failures[turn.candidate] < Self.failuresMax else { return }
        let complaint = settling.wait(progress)
        hearSignals()
        if set.stopped != nil { return }
        progress.say("round \(turn.round) of \(rounds): \(candidate.name)")
        var result: RunResult
        do {
            result = try candidate.perform(set.runs.count + 1, signals)
        } catch {
            failed(turn, "\(error)", exitCode: 1)
            hearSignals()
            return
        }
        if let complaint {
            let message =
                "not calm before the run, after \(Int(Settling.secondsMax)) s: \(complaint)"
            result.warnings.append(RunWarning(id: "not-settled", message: message))
        }
        set.runs.append(
            RunSet.CandidateRun(candidate: candidate.name, round: turn.round, result: result))
        if let stopped = result.stopped, stopped.kind == .interrupted {
            set.stopped = stopped
        } else if result.exitCode != 0 {
            failed(turn, result.stopped?.message ?? "it failed", exitCode: result.exitCode)
        } else {
            failures[turn.candidate] = 0
        }
        hearSignals()
    }

    private func failed(_ turn: TurnOrder.Turn, _ reason: String, exitCode: Int32) {
        let name = candidates[turn.candidate].name
        failures[turn.candidate] += 1
        set.exitCode = Self.worse(set.exitCode, exitCode)
        let isGivenUp = failures[turn.candidate] == Self.failuresMax
        let message =
            "round \(turn.round), \(name): \(reason)" + (isGivenUp ? "; it is given up" : "")
        progress.say(message)
        set.warnings.append(RunWarning(id: "run-failed", message: message))
    }

    /// 1 says that something is wrong with the tool or the machine, the others what was met.
    static func worse(_ one: Int32, _ other: Int32) -> Int32 {
        one == 1 || other == 1 ? 1 : max(one, other)
    }

    private func hearSignals() {
        signals.take()
        guard set.stopped == nil, let signal = signals.received.first else { return }
        set.stopped = RunWatch.interrupted(by: signal).reason
    }

    private func finish() {
        set.judge(rule: rule, thresholds: thresholds)
        set.complete =
            set.stopped == nil && set.runs.count == rounds * candidates.count
            && set.runs.allSatisfy(\.result.complete)
        if let stopped = set.stopped {
            set.exitCode = stopped.exitCode
        } else if set.exitCode == 0, set.thresholds?.contains(where: { !$0.passed }) == true {
            set.exitCode = 99
        }
        set.elapsedSeconds = MonotonicTime.now.seconds(since: startedAt)
    }
}

extension RunSet {
    /// Compares each candidate with each one before it, and looks at the thresholds.
    mutating func judge(rule: VerdictRule, thresholds: [Threshold]) {
        let groups = candidates.map { RunGroup(self, candidate: $0) }
        comparisons = groups.indices.flatMap { later in
            groups[..<later].map {
                Comparison(base: $0, new: groups[later], isInterleaved: true, rule: rule)
            }
        }
        guard !thresholds.isEmpty else { return }
        self.thresholds = candidates.flatMap { candidate in
            thresholds.map { $0.outcome(of: runs(of: candidate), candidate: candidate) }
        }
    }
}
