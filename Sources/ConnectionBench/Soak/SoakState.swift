// What a soak has seen so far: samples in a bounded table, sums, and what did not hold.

import ConnectionEngine

/// Kept by the run's own thread from the start of the processes to their end.
final class SoakState {
    let shape: SoakShape
    /// With all processes started and no connection; `nil` before that.
    var base: SoakCounts?
    private(set) var columns: [SoakColumn] = []
    private(set) var table: SampleTable?
    private(set) var checks: [SoakCheck.Kind: SoakCheck] = [:]
    /// Looks so far.
    private(set) var samples = 0
    /// From the first request to the newest look.
    var seconds = 0.0
    var load = SoakLoad()
    var lag = SoakLag()
    /// Kernel memory at the first look after the warm-up, and at the newest.
    private(set) var kernelFirst: KernelMemory?
    private(set) var kernelLast: KernelMemory?

    private var latency = LatencyHistogram()
    private var connectLatency = LatencyHistogram()
    private var loopLag = LatencyHistogram(isCoarse: true)
    private var sendLag = LatencyHistogram(isCoarse: true)

    init(_ shape: SoakShape) {
        self.shape = shape
    }

    /// Notes whether each of `kinds` held.
    func check(
        _ kinds: [SoakCheck.Kind], failures: [SoakCheck.Kind: String], when: String
    ) {
        for kind in kinds {
            checks[kind, default: SoakCheck(kind)]
                .look(failures[kind].map { "\(when): \($0)" })
        }
    }

    func append(_ reading: SoakReading) {
        let figures = reading.figures
        if table == nil {
            columns = figures.map(\.column)
            table = SampleTable(columns.map(\.merge))
        }
        table?.append(figures.map(\.value), at: seconds)
        samples += 1
        if let kernel = reading.kernel {
            if seconds >= shape.warmupSeconds, kernelFirst == nil { kernelFirst = kernel }
            kernelLast = kernel
        }
        lag.add(server: reading.serverLag)
    }

    /// Adds up what the workers tell of one slice.
    func add(_ reports: [LoadReport], seconds: Double, loop: LoadShape.Loop) -> SliceLoad {
        var slice = SliceLoad()
        slice.seconds = seconds
        var echoes = LatencyHistogram()
        var loops = LatencyHistogram(isCoarse: true)
        for report in reports {
            slice.due += report.due
            slice.sent += report.sent
            slice.answered += report.answered
            slice.censored += report.censored
            slice.retired += report.retired
            slice.replaced += report.replaced
            slice.connectFailures += report.failures.values.reduce(0, +)
            echoes.add(report.echoLatency)
            connectLatency.add(report.connectLatency)
            for (code, count) in report.failures {
                load.connectFailures[Errno(code).name, default: 0] += count
            }
            for (code, count) in report.losses {
                let name = code == 0 ? "end of stream" : Errno(code).name
                load.losses[name, default: 0] += count
            }
            if let generator = report.generator {
                loops.add(generator.loopLag)
                sendLag.add(generator.sendLag)
            }
        }
        slice.latency = echoes.summary
        slice.loopLag = loops.summary
        let generators = reports.compactMap(\.generator)
        if slice.due > 0, !generators.isEmpty {
            slice.isClientBound =
                GeneratorProof(generators, latency: slice.latency, loop: loop).isBound
        }
        latency.add(echoes)
        loopLag.add(loops)
        load.add(slice)
        load.latency = latency.summary
        load.connectLatency = connectLatency.summary
        lag.client = loopLag.summary
        lag.send = sendLag.summary
        return slice
    }

    /// Every series with what is said of it.
    func series() -> (times: [Double], series: [SoakSeries]) {
        guard var table else { return ([], []) }
        table.flush()
        let spacing = shape.sampleSeconds * Double(table.samplesPerRow)
        let series = columns.enumerated().map { index, column in
            SoakSeries(
                column, times: table.times, values: table.column(index),
                from: shape.warmupSeconds, spacing: spacing)
        }
        return (table.times, series)
    }

    var slabGrowth: KernelMemoryGrowth? {
        kernelFirst.flatMap { first in kernelLast.map { $0.growth(since: first) } }
    }

    var samplesPerRow: Int { table?.samplesPerRow ?? 1 }
}
