// Every step of every run with its figures, for those who want the numbers.

import ConnectionBench

enum StepTable {
    static func section(_ candidates: [Candidate]) -> SectionModel? {
        let hasRuns = candidates.contains { $0.runs.count > 1 }
        let rows = candidates.flatMap { candidate in
            candidate.runs.enumerated().flatMap { index, run in
                run.steps.enumerated().map { position, step in
                    RowModel(
                        rowStyle: position == 0 ? "begins" : "",
                        cells: [.name(candidate.name)]
                            + (hasRuns ? [.number(String(index + 1))] : []) + figures(step))
                }
            }
        }
        guard !rows.isEmpty else { return nil }
        let head: [CellModel] =
            [.text("result")] + (hasRuns ? [.number("run")] : [])
            + [
                .number("connections"), .text("verified"), .number("connects/s"),
                .number("connect p50"), .number("connect p99"), .number("echo p50"),
                .number("echo p99"), .number("echo p99.9"), .number("echo max"),
                .number("answered of due"), .number("server CPU/echo"), .number("client CPU/echo"),
                .number("machine busy"), .number("kernel mem/conn"), .number("user mem/conn"),
                .text("connect failures"),
            ]
        return SectionModel(
            anchor: "steps", heading: "All figures",
            tables: [TableModel(tableTitle: "Every step as measured", head: head, rows: rows)]
                + [RunTable.table(candidates)].compactMap(\.self))
    }

    private static func figures(_ step: StepResult) -> [CellModel] {
        func optional(_ value: Double?, _ text: (Double) -> String) -> CellModel {
            .number(value.map(text) ?? NumberText.missing)
        }
        func duration(_ nanoseconds: UInt64?) -> CellModel {
            optional(nanoseconds.map { Double($0) }) { NumberText.duration(nanoseconds: $0) }
        }
        func microseconds(_ value: Double) -> String { NumberText.oneDecimal(value) + " µs" }
        let hasConnects = step.connectLatency.count > 0
        let latency = step.probe?.latency
        let machine = step.probe?.processor.machine ?? step.rampProcessor.machine
        let busy = machine.flatMap { machine -> Double? in
            machine.totalSeconds > 0 ? 100 * machine.busySeconds / machine.totalSeconds : nil
        }
        let failures = step.connectFailures.sorted { $0.key < $1.key }
            .map { "\($0.key) × \(Count.format($0.value))" }.joined(separator: ", ")
        return [
            .number(Count.format(step.connections)), .text(step.verified ? "yes" : "no"),
            .number(NumberText.whole(step.connectsPerSecond)),
            duration(hasConnects ? step.connectLatency.p50Nanoseconds : nil),
            duration(hasConnects ? step.connectLatency.p99Nanoseconds : nil),
            duration(latency?.p50Nanoseconds), duration(latency?.p99Nanoseconds),
            duration(latency?.p999Nanoseconds), duration(latency?.maxNanoseconds),
            .number(
                step.probe.map { "\(Count.format($0.answered)) of \(Count.format($0.due))" }
                    ?? NumberText.missing),
            optional(Metric.serverCPU.value(of: step), microseconds),
            optional(Metric.clientCPU.value(of: step), microseconds),
            optional(busy) { NumberText.whole($0) + " %" },
            optional(step.kernelBytesPerConnection) { NumberText.whole($0) + " B" },
            optional(step.userBytesPerConnection) { NumberText.whole($0) + " B" },
            .text(failures.isEmpty ? "none" : failures),
        ]
    }
}
