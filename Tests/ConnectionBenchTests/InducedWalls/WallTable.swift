// The table of induced walls: one row for each, written by the tests themselves.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

/// What a wall was made of, what was predicted, and what the tool said at it.
struct WallRow {
    var name: String
    var backend: String
    var predicted: Int?
    var reached: Int?
    var error: String
    var verdict: String
    var exitCode: Int32
    var isRight: Bool

    var line: String {
        func text(_ count: Int?) -> String { count.map { Count.format($0) } ?? "-" }
        var difference = "-"
        if let predicted, let reached, predicted > 0 {
            difference = "\(Decimal1.text(100 * Double(reached - predicted) / Double(predicted))) %"
        }
        return "| \(name) | \(backend) | \(text(predicted)) | \(text(reached)) | \(difference)"
            + " | \(error) | \(verdict) | \(exitCode) | \(isRight ? "right" : "WRONG") |"
    }
}

/// Appends to the file that WALL_TABLE names, if it names one: `make walls`.
enum WallTable {
    static let head = """
        | induced wall | backend | predicted | reached | difference | error | verdict | exit | |
        | --- | --- | --: | --: | --: | --- | --- | --: | --- |
        """

    static func add(_ row: WallRow) {
        guard let path = getenv("WALL_TABLE").map({ String(cString: $0) }), !path.isEmpty else {
            return
        }
        let isNew = access(path, F_OK) != 0
        guard let file = fopen(path, "a") else { return }
        defer { fclose(file) }
        fputs((isNew ? head + "\n" : "") + row.line + "\n", file)
    }
}

/// One wall, and what the tool must make of it.
struct InducedWall {
    enum Prediction {
        /// The forecast must be met to the connection.
        case exact
        case within(percent: Double)
        /// Nothing predicts it; so many connections must be reached nevertheless.
        case none(reached: ClosedRange<Int>)
    }

    var name: String
    var wall: Wall.Resource?
    var prediction: Prediction
    var exitCode: Int32

    /// Checks the written result, and adds the row.
    func check(_ tool: ToolProcess, code: Int32, allowsKilled: Bool = false) throws {
        let result = try tool.result()
        let verdict = result.verdict ?? result.finding
        let reached = result.prediction?.reached ?? result.steps.last?.clientEstablished
        let predicted: Int?
        let isPredicted: Bool
        switch prediction {
        case .exact:
            predicted = result.prediction?.connections
            isPredicted = predicted != nil && predicted == reached
        case .within(let percent):
            predicted = result.prediction?.connections
            isPredicted = result.prediction?.errorPercent.map { abs($0) <= percent } ?? false
        case .none(let range):
            predicted = nil
            isPredicted = reached.map { range.contains($0) } ?? range.contains(0)
        }
        let isNamed = verdict?.wall == wall || (wall != nil && verdict?.wall == .unknown)
        WallTable.add(
            WallRow(
                name: name, backend: result.layout?.backend.rawValue ?? "uring",
                predicted: predicted, reached: reached, error: Self.errorText(result),
                verdict: verdict.map { "\($0.wall.rawValue), \($0.side.rawValue)" } ?? "none",
                exitCode: code, isRight: verdict?.wall == wall && isPredicted && code == exitCode))
        #expect(code == exitCode, "\(tool.errors)")
        #expect(result.exitCode == exitCode)
        #expect(isNamed, "\(String(describing: verdict))")
        #expect(
            isPredicted,
            "predicted \(String(describing: result.prediction)), reached \(reached ?? -1)")
        // Recovery: nothing is left, and the ends were orderly.
        #expect(tool.survivors == [])
        if !allowsKilled { #expect(result.teardown?.childrenKilled ?? 0 == 0) }
        if let verdict { #expect(!verdict.proof.isEmpty && !verdict.remedy.isEmpty) }
    }

    private static func errorText(_ result: RunResult) -> String {
        if let evidence = result.evidence {
            if let error = evidence.connectErrors.max(by: { $0.value < $1.value })?.key {
                return "\(error) at connect"
            }
            let counters = evidence.server
            let accepts: [(UInt64, String)] = [
                (counters.acceptFailuresNoDescriptor, "EMFILE"),
                (counters.acceptFailuresNoFile, "ENFILE"),
                (counters.acceptFailuresNoMemory, "ENOMEM"),
                (counters.acceptFailuresNoThread, "EAGAIN"),
                (counters.acceptFailuresNoWatch, "ENOSPC"),
            ]
            if let most = accepts.max(by: { $0.0 < $1.0 }), most.0 > 0 {
                return "\(most.1) at accept"
            }
            if let loss = evidence.serverLossErrno { return "\(loss) while held" }
            if evidence.stalledSeconds > 0 { return "none, no progress" }
        }
        return result.verdict == nil && result.finding == nil ? "none" : "none, a counter"
    }
}
