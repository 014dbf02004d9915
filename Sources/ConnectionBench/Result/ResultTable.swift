// A result as a table that a person reads at once.

import ConnectionEngine

/// Durations with the unit that suits them.
public enum DurationText {
    public static func of(_ nanoseconds: UInt64) -> String {
        switch nanoseconds {
        case ..<1_000_000: "\(Decimal1.text(Double(nanoseconds) / 1e3)) µs"
        case ..<1_000_000_000: "\(Decimal1.text(Double(nanoseconds) / 1e6)) ms"
        default: "\(Decimal1.text(Double(nanoseconds) / 1e9)) s"
        }
    }
}

/// The first line of every table: what ran, and on what.
enum ToolHeading {
    static func line(_ tool: ToolFacts, _ subject: String, _ host: HostFacts) -> String {
        "uring-bench \(tool.version) (\(tool.buildMode)), \(subject),"
            + " Linux \(host.kernelRelease ?? "?"),"
            + " \(host.processorsOnline.map(String.init) ?? "?") x \(host.processorModel ?? "?")"
    }
}

/// One step in one line, while the run goes on.
enum StepLine {
    static func text(_ step: StepResult) -> String {
        var line =
            "\(Count.format(step.connections)) connections"
            + (step.verified ? "" : " NOT VERIFIED")
            + ", \(Count.format(Int(saturating: step.connectsPerSecond)))/s"
        if let probe = step.probe {
            line +=
                ", p50 \(DurationText.of(probe.latency.p50Nanoseconds))"
                + ", p99 \(DurationText.of(probe.latency.p99Nanoseconds))"
        }
        if let kernel = step.kernelBytesPerConnection {
            line += ", kernel \(Count.format(Int(saturating: kernel))) B"
        }
        if let user = step.userBytesPerConnection {
            line += ", user \(Count.format(Int(saturating: user))) B per connection"
        }
        return line
    }
}

public struct ResultTable {
    private let result: RunResult

    public init(_ result: RunResult) {
        self.result = result
    }

    /// The table with its heading and what has to be known with it.
    public var text: String {
        var lines = heading
        lines.append("")
        lines += grid
        lines.append("")
        lines += notes
        lines.append(verdict)
        return lines.joined(separator: "\n")
    }

    /// What has to be known with the figures, a sentence each.
    var notes: [String] {
        var lines = findings
        lines += result.appliedChanges.map(\.text)
        lines += result.warnings.map { "warning [\($0.id)] \($0.message)" }
        lines += walls
        lines += (result.thresholds ?? []).map(\.line)
        if let stopped = result.stopped { lines.append("stopped: \(stopped.message)") }
        return lines
    }

    var heading: [String] {
        let layout = result.layout
        return [
            ToolHeading.line(
                result.tool, layout?.backend.rawValue ?? "no backend", result.host),
            "\(layout?.processesPerSide ?? 0) server and \(layout?.processesPerSide ?? 0) client"
                + " process(es), \(layout?.workersPerProcess ?? 0) worker(s) each; \(result.plan.loadWords)",
        ]
    }

    /// The heading, then a row for each step.
    var cells: [[String]] {
        // What a closed loop reaches is its main figure; an open one is asked for its rate.
        let isClosed = result.plan.load.loop == .closed
        let head =
            ["conns", "conn/s"] + (isClosed ? ["echo/s"] : []) + [
                "p50", "p99", "p99.9", "srv us/echo", "machine", "kernel B", "user B",
            ]
        let rows = result.steps.map { step in
            let probe = step.probe
            func latency(_ path: KeyPath<LatencySummary, UInt64>) -> String {
                probe.map { DurationText.of($0.latency[keyPath: path]) } ?? "-"
            }
            let busy = (probe?.processor.machine ?? step.rampProcessor.machine).map {
                "\(Int(saturating: (100 * $0.busySeconds / max($0.totalSeconds, 1e-9)).rounded())) %"
            }
            let echoes =
                probe.map { Count.format(Int(saturating: Double($0.answered) / $0.seconds)) } ?? "-"
            return [
                Count.format(step.connections) + (step.verified ? "" : "?"),
                Count.format(Int(saturating: step.connectsPerSecond)),
            ] + (isClosed ? [echoes] : []) + [
                latency(\.p50Nanoseconds),
                latency(\.p99Nanoseconds), latency(\.p999Nanoseconds),
                probe?.serverMicrosecondsPerEcho.map { Decimal1.text($0) } ?? "-", busy ?? "-",
                step.kernelBytesPerConnection.map { Count.format(Int(saturating: $0)) } ?? "-",
                step.userBytesPerConnection.map { Count.format(Int(saturating: $0)) } ?? "-",
            ]
        }
        return [head] + rows
    }

    private var grid: [String] {
        let cells = cells
        let widths = cells[0].indices.map { column in
            cells.map { $0[column].count }.max() ?? 0
        }
        return cells.map { row in
            zip(row, widths).map { cell, width in
                String(repeating: " ", count: width - cell.count) + cell
            }.joined(separator: "  ")
        }
    }

    private var findings: [String] {
        var lines: [String] = []
        if let ramp = result.ramp, let first = ramp.firstPartPerSecond,
            let last = ramp.lastPartPerSecond, let ratio = ramp.lastToFirstRatio
        {
            lines.append(
                "connect rate of the first \(Count.format(ramp.partConnections)):"
                    + " \(Count.format(Int(saturating: first)))/s, of the last: \(Count.format(Int(saturating: last)))/s"
                    + " (\(Int(saturating: ratio * 100)) %)")
        }
        if let memory = result.memory, let kernel = memory.kernelBytesPerConnection,
            let user = memory.userBytesPerConnection
        {
            lines.append(
                "each further connection costs \(Count.format(Int(saturating: kernel))) B of kernel memory"
                    + " (\(memory.kernelSource ?? "?")) and \(Count.format(Int(saturating: user))) B of user memory"
            )
        }
        lines += result.churn?.lines ?? []
        lines += result.storm?.lines ?? []
        if let hold = result.hold {
            let busy = hold.processor.serverSeconds + hold.processor.clientSeconds
            lines.append(
                "held \(Decimal1.text(hold.seconds)) s idle: \(Decimal1.text(busy * 1_000)) ms of"
                    + " processor time, \(hold.connectionsLost) connections lost")
        }
        if let teardown = result.teardown, teardown.connections > 0 {
            lines.append(
                "closed \(Count.format(teardown.connections)) in"
                    + " \(Decimal1.text(teardown.seconds)) s"
                    + " (\(Count.format(Int(saturating: teardown.closesPerSecond)))/s, longest stall"
                    + " \(Decimal1.text(teardown.longestStallSeconds * 1_000)) ms)"
                    + memoryBack(teardown))
        }
        return lines + health
    }

    /// Where the wall was expected and found, why, and how the host felt.
    private var walls: [String] {
        var lines: [String] = []
        if let prediction = result.prediction, let reached = prediction.reached,
            let error = prediction.errorPercent
        {
            let sign = error < 0 ? "" : "+"
            lines.append(
                "predicted \(Count.format(prediction.connections)) (\(prediction.wall.title)),"
                    + " reached \(Count.format(reached)) (\(sign)\(Decimal1.text(error)) %)")
        }
        if let verdict = result.verdict ?? result.finding {
            lines.append(
                "verdict: \(verdict.wall.title) [\(verdict.wall.rawValue)],"
                    + " side: \(verdict.side.rawValue), confidence: \(verdict.confidence.rawValue)")
            lines += verdict.proof.map { "  - \($0)" }
            if !verdict.remedy.isEmpty { lines.append("  remedy: \(verdict.remedy)") }
        }
        if let response = result.shellProbe, response.runs > 0 {
            lines.append(
                "the host meanwhile: `\(response.command)` took"
                    + " \(Decimal1.text(response.medianSeconds * 1_000)) ms in the median,"
                    + " \(Decimal1.text(response.maxSeconds * 1_000)) ms at most"
                    + " (\(Count.format(response.runs)) times)")
        }
        return lines
    }

    /// What has to be 0 in a run that met no queue's end.
    private var health: [String] {
        guard var sum = result.serverCounters, let client = result.clientCounters else { return [] }
        sum += client
        let ioWorkers = result.steps.map(\.ioWorkerThreads).max() ?? 0
        return [
            "health: \(sum.completionOverflows) completion queue overflows,"
                + " \(sum.bufferStarvations) waits for a buffer, \(sum.shortSends) short sends,"
                + " \(sum.staleCompletions) stale completions, \(ioWorkers) iou-wrk threads"
        ]
    }

    /// Nothing after a small run: it is not waited for.
    private func memoryBack(_ teardown: TeardownResult) -> String {
        guard let left = teardown.kernelBytesLeft else { return "" }
        return teardown.memoryBackSeconds.map {
            ", kernel memory back after \(Decimal1.text($0)) s"
        } ?? ", \(Count.format(bytes: left)) of kernel memory not yet back"
    }

    var verdict: String {
        let reached = Count.format(result.connectionsVerified)
        let echoed = result.sweep == nil ? "" : ", every connection echoed"
        let status = result.status.rawValue
        switch result.status {
        case .pass: return "\(status) \(reached) connections held and verified\(echoed)"
        case .missed:
            return "\(status) \(reached) connections held and verified\(echoed), a threshold was"
                + " missed (exit \(result.exitCode))"
        case .wall:
            return "\(status) \(reached) connections held and verified\(echoed)"
                + " (exit \(result.exitCode))"
        case .incomplete:
            return "\(status) \(reached) of \(Count.format(result.plan.connections))"
                + " connections verified (exit \(result.exitCode))"
        }
    }
}
