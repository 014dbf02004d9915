// Soaks with every part that one can have, made up.

import ConnectionEngine

@testable import ConnectionBench

enum MadeUpSoak {
    static let shape = SoakShape(seconds: 1_800, closesPerSecond: 500)

    /// The times of looks after the warm-up of half an hour.
    static let times = (0..<300).map { look -> Double in 6 * Double(look) + 3 }

    static func memory(_ values: [Double], _ tolerance: SlopeTolerance = .processMemory)
        -> SoakSeries
    {
        SoakSeries(
            SoakColumn(name: "server 0 memory", unit: .bytes, merge: .mean, tolerance: tolerance),
            times: times, values: values, from: shape.warmupSeconds, spacing: 6)
    }

    static let flat = [Double](repeating: 40e6, count: 300)
    /// 20 MB an hour.
    static let leaking = times.map { time -> Double in 40e6 + time / 3_600 * 20e6 }

    /// Half an hour at which everything was as it should be.
    static var complete: SoakResult {
        var result = SoakResult(
            tool: MadeUpResult.tool, commandLine: ["uring-bench", "soak"],
            startedAt: "2026-11-26T12:46:00Z", host: HostFacts(),
            plan: RunPlan(connections: 1_000, steps: [1_000], seed: 1), soak: shape)
        result.layout = RunLayout(
            backend: .epoll, processesPerSide: 1, workersPerProcess: 2, pinning: .spread)
        result.complete = true
        result.seconds = 1_800
        result.warmupSeconds = shape.warmupSeconds
        result.samples = 300
        result.times = times
        result.series = [memory(flat)]
        result.checks = SoakCheck.Kind.allCases.map { kind in
            var check = SoakCheck(kind)
            for _ in 0..<300 { check.look(nil) }
            return check
        }
        result.ramp = MadeUpResult.step
        result.teardown = TeardownResult()
        return result
    }
}
