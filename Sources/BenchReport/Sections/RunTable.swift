// What is measured once in a run: the sweep, the hold, the closing, and what has to be 0.

import ConnectionBench
import ConnectionEngine

enum RunTable {
    static func table(_ candidates: [Candidate]) -> TableModel? {
        let hasRuns = candidates.contains { $0.runs.count > 1 }
        let rows = candidates.flatMap { candidate in
            candidate.runs.enumerated().map { index, run in
                RowModel(
                    rowStyle: index == 0 ? "begins" : "",
                    cells: [.name(candidate.name)]
                        + (hasRuns ? [.number(String(index + 1))] : []) + figures(run))
            }
        }
        guard !rows.isEmpty else { return nil }
        return TableModel(
            tableTitle: "Every run as a whole",
            head: [.text("result")] + (hasRuns ? [.number("run")] : [])
                + [
                    .text("status"), .number("exit code"), .number("took"),
                    .number("swept (closed loop)"), .number("held idle"),
                    .number("idle CPU per second"), .number("lost while held"),
                    .number("closes/s"), .number("longest stall"), .number("kernel memory back"),
                    .number("CQ overflows"), .number("waits for a buffer"),
                    .number("iou-wrk threads"), .number("least memory left"),
                ],
            rows: rows)
    }

    private static func figures(_ run: RunResult) -> [CellModel] {
        func seconds(_ value: Double?) -> CellModel {
            .number(value.map { NumberText.decimal($0, places: 2) + " s" } ?? NumberText.missing)
        }
        func count(_ value: UInt64?) -> CellModel {
            .number(value.map { NumberText.whole(Double($0)) } ?? NumberText.missing)
        }
        let idle = run.hold.flatMap { hold -> Double? in
            guard hold.seconds > 0 else { return nil }
            let use = hold.processor
            return (use.serverSeconds + use.clientSeconds) * 1_000 / hold.seconds
        }
        let teardown = run.teardown.flatMap { $0.connections > 0 ? $0 : nil }
        var counters = run.serverCounters
        if let client = run.clientCounters { counters?.add(client) }
        return [
            .text(run.status.rawValue), .number(String(run.exitCode)), seconds(run.elapsedSeconds),
            .number(
                run.sweep.map { "\(NumberText.whole($0.echoesPerSecond)) echoes/s" }
                    ?? NumberText.missing),
            seconds(run.hold?.seconds),
            .number(idle.map { NumberText.oneDecimal($0) + " ms" } ?? NumberText.missing),
            .number(run.hold.map { Count.format($0.connectionsLost) } ?? NumberText.missing),
            .number(
                teardown.map { NumberText.whole($0.closesPerSecond) } ?? NumberText.missing),
            .number(
                teardown.map {
                    NumberText.duration(nanoseconds: $0.longestStallSeconds * 1e9)
                } ?? NumberText.missing),
            seconds(teardown?.memoryBackSeconds), count(counters?.completionOverflows),
            count(counters?.bufferStarvations),
            .number(
                run.steps.map(\.ioWorkerThreads).max().map { Count.format($0) }
                    ?? NumberText.missing),
            .number(
                run.memoryUsableMinBytes.map { Count.format(bytes: $0) } ?? NumberText.missing),
        ]
    }
}

extension Counters {
    fileprivate mutating func add(_ other: Counters) { self += other }
}
