// `uring-bench run`: options for several runs in turns, and for what a result must keep.

import ArgumentParser
import ConnectionBench
import ConnectionEngine

/// One backend, or several that take turns.
struct BackendSelection: Equatable {
    /// `nil`: io_uring, or epoll where that is unavailable.
    let kinds: [BackendKind?]

    static let auto = BackendSelection(kinds: [nil])

    private init(kinds: [BackendKind?]) {
        self.kinds = kinds
    }

    init(parsing text: String) throws {
        let words = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        if words == ["all"] {
            kinds = BackendKind.allCases
            return
        }
        kinds = try words.map { word in
            guard let choice = BackendChoice(rawValue: word) else {
                throw ValidationError(
                    "'\(word)' is no backend: allowed are uring, epoll, threads, auto, several of"
                        + " them such as uring,epoll, or all")
            }
            return choice.kind
        }
        for (position, word) in words.enumerated() where words[..<position].contains(word) {
            throw ValidationError("'\(word)' is named twice: name each backend once")
        }
        if kinds.count > 1, kinds.contains(nil) {
            throw ValidationError("auto chooses one backend: name the others alone, or say all")
        }
    }
}

struct TurnOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: """
            Runs of each backend, in turns (A B C, C B A, …), compared at the end (default: 1; of \
            several backends 5). At least 4 allow a verdict.
            """, transform: Allowed.repeats.parse)
    var repeats: Int?

    @Option(
        parsing: .unconditional,
        help: "The difference between backends that matters, in percent (default: 5).",
        transform: Allowed.noise)
    var noise = 0.05

    @Option(
        parsing: .unconditional,
        help: """
            Before several runs, so many of each backend that only connect and do not count \
            (default: 1).
            """, transform: Allowed.warmupRuns.parse)
    var warmupRuns = 1

    @Option(
        name: .customLong("fail-if"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Exit with 99 when this holds at the end, such as 'p99@100k>5ms' or 'connect-rate<20k'.",
            discussion: """
                FIGURE[@STEP] then > < >= or <= and a value with its unit (ns us ms s, B KiB MiB, k M); \
                without @STEP the last step. Of several runs the median counts, for each backend. \
                Figures: \(Metric.names). May be repeated.
                """, valueName: "bound"), transform: Allowed.threshold)
    var thresholds: [Threshold] = []

    /// Rounds that are asked for with so many backends.
    func rounds(backends: Int) -> Int { repeats ?? (backends > 1 ? 5 : 1) }

    /// One run of one backend is no set.
    func makesSet(of backends: BackendSelection) -> Bool {
        backends.kinds.count > 1 || rounds(backends: backends.kinds.count) > 1
    }

    /// - Parameter steps: that will be measured; empty: they follow the prediction.
    func check(backends: BackendSelection, hasCount: Bool, untilWall: Bool, steps: [Int]) throws {
        if makesSet(of: backends), !hasCount || untilWall {
            throw ValidationError(
                "\(hasCount ? "--until-wall" : "--conns max"): several runs are compared at the"
                    + " same number of connections; give --conns a count that all reach")
        }
        for threshold in thresholds {
            if let step = threshold.step, !steps.isEmpty, !steps.contains(step) {
                throw ValidationError(
                    "--fail-if '\(threshold.expression)': \(Count.format(step)) is no step of this"
                        + " run; its steps are"
                        + " \(steps.map { Count.format($0) }.joined(separator: "; "))")
            }
        }
    }
}

extension Allowed {
    static let repeats = CountRange(1...1_000, "runs of each, for example 10")
    static let warmupRuns = CountRange(0...10, "runs of each, for example 1")

    static func noise(_ text: String) throws -> Double {
        let number = text.hasSuffix("%") ? String(text.dropLast()) : text
        guard let percent = Double(number), percent > 0, percent <= 100 else {
            throw ValidationError("allowed is more than 0 to 100 percent, for example 5")
        }
        return percent / 100
    }

    static func threshold(_ text: String) throws -> Threshold {
        do throws(ThresholdError) {
            return try Threshold(parsing: text)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    static func relativeThreshold(_ text: String) throws -> RelativeThreshold {
        do throws(ThresholdError) {
            return try RelativeThreshold(parsing: text)
        } catch {
            throw ValidationError("\(error)")
        }
    }
}

/// Makes several runs in turns, and writes them out as one set.
struct BackendTurnsRunner {
    let backends: BackendSelection
    let options: TurnOptions

    func run(
        _ plan: RunPlan, _ output: ResultOutput, _ followers: RunFollowers, _ progress: RunProgress
    ) throws {
        let set: RunSet
        do {
            let candidates = try BackendTurns.candidates(
                backends.kinds, plan: plan, tool: BuildFacts.tool,
                commandLine: CommandLine.arguments, progress: progress,
                observers: followers.observers)
            let turns = try TurnRun(
                candidates, rounds: options.rounds(backends: candidates.count),
                warmupRuns: options.warmupRuns, thresholds: options.thresholds,
                rule: VerdictRule(whatMatters: options.noise), tool: BuildFacts.tool,
                commandLine: CommandLine.arguments, progress: progress)
            set = turns.perform()
            followers.finish()
        } catch let refusal as TurnRefusal {
            followers.finish()
            output.discard()
            throw Exit.withMessage("\(refusal)", code: refusal.exitCode)
        } catch {
            followers.finish()
            output.discard()
            throw Exit.withMessage("\(error)", code: 1)
        }
        try output.finish(set, text: SetTable(set).text)
    }
}
