// The micro benchmarks: what one step costs, without the noise of a whole run.
//
// Counts (enters, allocations, bytes) are alike on every machine and have ceilings; times inform.

import Benchmark
import ConnectionBench
import ConnectionEngine
import CountMalloc

enum Metric {
    static let entersPerEcho = smaller("server enters per 1,000 echoes")
    static let submissionsPerEcho = smaller("server SQEs per 1,000 echoes")
    static let allocationsPerEcho = smaller("allocations per 1,000 echoes")
    static let nanosecondsPerEcho = smaller("ns per echo")
    static let userBytes = smaller("user bytes per connection, both ends")
    static let allocations = smaller("allocations per 1,000 operations")

    private static func smaller(_ name: String) -> BenchmarkMetric {
        .custom(name, polarity: .prefersSmaller, useScalingFactor: false)
    }
}

let benchmarks: @Sendable () -> Void = {
    precondition(allocationsAreCounted, "malloc is not ours: a ceiling of 0 would prove nothing")
    for backend in BackendKind.allCases {
        for connections in [1, 64] {
            echo(backend, connections: connections)
        }
    }
    for backend in [BackendKind.uring, .epoll] {
        hold(backend)
    }
    dispatch()
    record()
    plan()
}

private var allocationsAreCounted: Bool {
    let before = count_malloc_calls_of_thread()
    UnsafeMutablePointer<UInt8>.allocate(capacity: 100).deallocate()
    return count_malloc_calls_of_thread() > before
}

extension Benchmark {
    /// A count that fails the benchmark when it is above its ceiling.
    fileprivate func measure(_ metric: BenchmarkMetric, _ count: UInt64, ceiling: UInt64? = nil) {
        measurement(metric, Int(count))
        if let ceiling, count > ceiling {
            error("\(metric): \(count), at most \(ceiling) are allowed")
        }
    }
}

/// Submit and reap through a real engine: a server and a client, a thread each.
private func echo(_ backend: BackendKind, connections: Int) {
    // A blocking thread enters the kernel in its own way, which is not counted.
    let isThreads = backend == .threads
    var metrics = [Metric.nanosecondsPerEcho, Metric.allocationsPerEcho]
    if !isThreads { metrics += [Metric.entersPerEcho] }
    if backend == .uring { metrics += [Metric.submissionsPerEcho] }
    let plural = connections == 1 ? "" : "s"
    Benchmark(
        "echo, \(backend.rawValue), \(connections) connection\(plural)",
        configuration: .init(
            metrics: metrics, units: [Metric.nanosecondsPerEcho: .count], warmupIterations: 1,
            maxDuration: .seconds(5), maxIterations: 7)
    ) { benchmark in
        let echoes = connections == 1 ? 5_000 : 50_000
        let outcome = try EchoJob(backend, connections: connections, echoes: echoes).run()
        func perThousand(_ count: UInt64) -> UInt64 {
            UInt64((Double(count) / (Double(echoes) / 1_000)).rounded())
        }
        benchmark.measure(Metric.nanosecondsPerEcho, outcome.nanoseconds / UInt64(echoes))
        // A connection's thread allocates its list of pending sends at its first send, which may come
        // late; and with many threads everything is counted that the process allocates.
        benchmark.measure(
            Metric.allocationsPerEcho, perThousand(UInt64(outcome.allocations)),
            ceiling: isThreads ? 100 : 0)
        if !isThreads {
            // Alone, an echo takes two enters at most; together they share them.
            benchmark.measure(
                Metric.entersPerEcho, perThousand(outcome.server.entries),
                ceiling: connections == 1 ? 2_100 : 500)
        }
        if backend == .uring {
            benchmark.measure(
                Metric.submissionsPerEcho, perThousand(outcome.server.submitted), ceiling: 1_100)
        }
    }
}

/// What a further idle connection takes of this process, which is server and client at once.
private func hold(_ backend: BackendKind) {
    Benchmark(
        "hold, \(backend.rawValue), 1,000 to 5,000 connections",
        configuration: .init(
            metrics: [Metric.userBytes], maxDuration: .seconds(5), maxIterations: 5)
    ) { benchmark in
        let bytes = try HoldJob(backend).userBytesPerConnection(from: 1_000, to: 5_000)
        benchmark.measure(Metric.userBytes, UInt64(max(bytes, 0).rounded()), ceiling: 200)
    }
}

/// Completions in, operations out: a full batch through the echo handler.
private func dispatch() {
    Benchmark(
        "dispatch of 1,024 completions",
        configuration: .init(
            metrics: [.wallClock, Metric.allocations], scalingFactor: .kilo,
            maxDuration: .seconds(2))
    ) { benchmark in
        let job = try DispatchJob(completions: 1_024)
        benchmark.startMeasurement()
        let before = count_malloc_calls_of_thread()
        for _ in benchmark.scaledIterations { job.turn() }
        let allocations = count_malloc_calls_of_thread() - before
        benchmark.stopMeasurement()
        benchmark.measure(Metric.allocations, UInt64(allocations), ceiling: 0)
    }
}

private func record() {
    Benchmark(
        "record of 1,000 latencies in the histogram",
        configuration: .init(
            metrics: [.wallClock, Metric.allocations], scalingFactor: .kilo,
            maxDuration: .seconds(2))
    ) { benchmark in
        var histogram = LatencyHistogram()
        benchmark.startMeasurement()
        let before = count_malloc_calls_of_thread()
        for iteration in benchmark.scaledIterations {
            // 1 us to 4 ms, in an order that no cache and no branch can learn.
            for value in 0..<1_000 {
                let mixed = UInt64(truncatingIfNeeded: value &+ iteration) &* 0x9e37_79b9_7f4a_7c15
                histogram.record(1_000 + mixed >> 42)
            }
        }
        let allocations = count_malloc_calls_of_thread() - before
        benchmark.stopMeasurement()
        benchmark.measure(Metric.allocations, UInt64(allocations), ceiling: 0)
        precondition(histogram.count == UInt64(1_000 * benchmark.scaledIterations.count))
    }
}

private func plan() {
    Benchmark(
        "plan of 1,000 tuples",
        configuration: .init(
            metrics: [.wallClock, Metric.allocations], scalingFactor: .kilo,
            maxDuration: .seconds(2))
    ) { benchmark in
        let plan = try TuplePlan(
            connections: 1_000_000, sources: SourceRange(seed: 1, ports: 20_000...28_191),
            destinations: [.loopback(port: 7_000), .loopback(port: 7_001)])
        benchmark.startMeasurement()
        let before = count_malloc_calls_of_thread()
        for iteration in benchmark.scaledIterations {
            for number in 0..<1_000 { blackHole(plan[iteration * 1_000 + number]) }
        }
        let allocations = count_malloc_calls_of_thread() - before
        benchmark.stopMeasurement()
        benchmark.measure(Metric.allocations, UInt64(allocations), ceiling: 0)
    }
}
