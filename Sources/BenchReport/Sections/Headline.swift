// The answer in one sentence, with its status.

import ConnectionBench
import ConnectionEngine

enum Headline {
    static func model(of input: ReportInput) -> HeadlineModel {
        switch input.content {
        case .run(let result): model(result, input.name)
        case .set(let set): model(set, input.name)
        case .ports(let result): model(result, input.name)
        }
    }

    // MARK: One run

    private static func model(_ result: RunResult, _ name: String) -> HeadlineModel {
        let style =
            switch result.status {
            case .pass: "good"
            case .wall: "wall"
            case .missed, .incomplete: "bad"
            }
        return HeadlineModel(
            badge: result.status.rawValue, badgeStyle: style, sentence: sentence(of: result),
            origin: origin(name, result.startedAt, result.host, result.tool),
            verdicts: verdicts(result))
    }

    static func sentence(of result: RunResult) -> String {
        let backend = Candidate.title(result.layout?.backend ?? result.plan.backend)
        let reached = Count.format(result.connectionsVerified)
        guard !result.steps.isEmpty else {
            let why = result.stopped.map { ": \($0.message)" } ?? "."
            return "Nothing was measured on \(backend)\(withStop(why))"
        }
        let echoed = result.sweep == nil || result.status == .incomplete ? "" : ", every one echoed"
        var parts: [String]
        switch result.status {
        case .pass: parts = ["\(reached) connections held and verified on \(backend)\(echoed)"]
        case .missed:
            parts = [
                "\(reached) connections held and verified on \(backend)\(echoed); a threshold was"
                    + " missed"
            ]
        case .wall:
            let wall = result.verdict.map { " at the wall (\($0.wall.title))" } ?? ""
            parts = ["\(reached) connections held and verified on \(backend)\(wall)\(echoed)"]
        case .incomplete:
            parts = [
                "\(reached) of \(Count.format(result.plan.connections)) connections verified on"
                    + " \(backend)\(end(of: result))"
            ]
        }
        parts += figures(result)
        return withStop(parts.joined(separator: "; "))
    }

    private static func end(of result: RunResult) -> String {
        switch result.stopped?.kind {
        case .wall: result.verdict.map { ", then a wall: \($0.wall.title)" } ?? ", then a wall"
        case .interrupted: ", then interrupted"
        case .childDied: ", then a process died"
        case .stalled: ", then it stalled"
        case .unverified: ", then the counts disagreed"
        case .machineUnfit: ", the machine is not fit"
        case nil: ""
        }
    }

    /// Of the last verified step.
    private static func figures(_ result: RunResult) -> [String] {
        guard let step = result.steps.last(where: { $0.verified }) else { return [] }
        var parts: [String] = []
        if let kernel = step.kernelBytesPerConnection, kernel.isFinite, kernel > 0 {
            parts.append("\(NumberText.whole(kernel)) B of kernel memory each")
        }
        if let probe = step.probe, probe.answered > 0 {
            let p99 = NumberText.duration(nanoseconds: Double(probe.latency.p99Nanoseconds))
            let load =
                probe.offeredPerSecond > 0
                ? "at \(NumberText.whole(probe.offeredPerSecond)) requests/s" : "in a closed loop"
            parts.append("p99 \(p99) \(load)")
        }
        return parts
    }

    /// What ended the run, its proof and what to do.
    private static func verdicts(_ result: RunResult) -> [VerdictModel] {
        var models: [VerdictModel] = []
        // A wall's message is its verdict in one line.
        if let stopped = result.stopped, stopped.kind != .wall || result.verdict == nil {
            models.append(VerdictModel(lead: capitalized(stopped.message), proof: []))
        }
        if let verdict = result.verdict {
            models.append(model(verdict, lead: "What stopped it: \(verdict.wall.title)"))
        }
        if let finding = result.finding {
            models.append(model(finding, lead: "What held it back: \(finding.wall.title)"))
        }
        if let prediction = result.prediction, let reached = prediction.reached {
            var lead =
                "Predicted \(Count.format(prediction.connections)) (\(prediction.wall.title)),"
                + " reached \(Count.format(reached))"
            if let error = prediction.errorPercent {
                lead += " (\(error < 0 ? "" : "+")\(NumberText.oneDecimal(error)) %)"
            }
            models.append(
                VerdictModel(lead: lead, proof: [prediction.formula]))
        }
        let trials = (result.churn?.lines ?? []) + (result.storm?.lines ?? [])
        let outcomes = (result.thresholds ?? []).map(\.line)
        models += (trials + outcomes).map { VerdictModel(lead: capitalized($0), proof: []) }
        return models
    }

    private static func model(_ verdict: Verdict, lead: String) -> VerdictModel {
        let remedy = Remedy(verdict.remedy)
        return VerdictModel(
            lead: "\(lead), on the \(verdict.side.rawValue)'s side"
                + " (confidence: \(verdict.confidence.rawValue))",
            proof: verdict.proof, remedy: remedy.words.isEmpty ? nil : withStop(remedy.words),
            remedyCommand: remedy.command)
    }

    // MARK: Several runs

    private static func model(_ set: RunSet, _ name: String) -> HeadlineModel {
        let rounds = set.runs.map(\.round).max() ?? 0
        let candidates = set.candidates.map { Candidate.name(ofSet: $0) }
        let told = ComparisonWords.sentences(set.comparisons, reference: set.candidates.first)
        var sentence = "\(candidates.joined(separator: ", ")) side by side"
        sentence +=
            told.isEmpty ? ": \(Count.format(set.runs.count)) runs, not compared." : "."
        if set.runs.isEmpty { sentence = "Nothing was measured." }
        var verdicts: [VerdictModel] = []
        if let stopped = set.stopped {
            verdicts.append(
                VerdictModel(lead: capitalized(stopped.message), proof: []))
        }
        return HeadlineModel(
            badge: set.complete ? "COMPLETE" : "INCOMPLETE",
            badgeStyle: set.complete ? "good" : "bad", sentence: sentence, points: told,
            origin: "\(Count.format(set.runs.count)) runs in \(rounds) rounds, in turns · "
                + origin(name, set.startedAt, set.runs.first?.result.host, set.tool),
            verdicts: verdicts)
    }

    // MARK: The port story

    private static func model(_ result: PortStoryResult, _ name: String) -> HeadlineModel {
        let sentences = PortStoryFindings(result).sentences
        var verdicts: [VerdictModel] = []
        if let stopped = result.stopped {
            verdicts.append(
                VerdictModel(lead: capitalized(stopped.message), proof: []))
        }
        return HeadlineModel(
            badge: result.complete ? "PORTS" : "INCOMPLETE",
            badgeStyle: result.complete ? "info" : "bad",
            sentence: sentences.first.map { capitalized($0) } ?? "Nothing was measured.",
            origin: origin(name, result.startedAt, result.host, result.tool), verdicts: verdicts)
    }

    // MARK: Words

    private static func origin(
        _ name: String, _ startedAt: String, _ host: HostFacts?, _ tool: ToolFacts
    ) -> String {
        var parts = [name, startedAt]
        if let kernel = host?.kernelRelease { parts.append("Linux \(kernel)") }
        if let model = host?.processorModel {
            parts.append("\(host?.processorsOnline.map { "\($0) × " } ?? "")\(model)")
        }
        parts.append("uring-bench \(tool.version) (\(tool.buildMode))")
        return parts.joined(separator: " · ")
    }

    static func withStop(_ sentence: String) -> String {
        sentence.hasSuffix(".") || sentence.hasSuffix(")") ? sentence : sentence + "."
    }

    /// For the begin of a line; names such as io_uring and epoll stay as they are.
    static func capitalized(_ text: String) -> String {
        let word = text.prefix { $0.isLetter || $0 == "_" }
        guard let first = word.first, !["io_uring", "epoll", "uring"].contains(String(word))
        else { return text }
        return first.uppercased() + text.dropFirst()
    }
}
