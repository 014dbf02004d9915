// `.csv`: one figure per row, so that a spreadsheet or a data frame can pivot it.

/// Columns: seconds since the start of the run, what the run did then, connections, metric, value.
///
/// A metric carries its unit last, as in the JSON; a figure that was not measured has no row.
struct LongTable {
    static let columns = ["seconds", "phase", "connections", "metric", "value"]

    private let result: RunResult
    private var rows: [[String]] = []

    init(_ result: RunResult) {
        self.result = result
        for step in result.steps { add(step) }
        addWholeRun()
        for sample in result.samples { add(sample) }
    }

    var text: String {
        ([LongTable.columns] + rows).map { $0.joined(separator: ",") }
            .joined(separator: "\n") + "\n"
    }

    /// Rows with further columns before them: of several runs in one table.
    func text(prefix: [String]) -> String {
        rows.map { (prefix + $0).joined(separator: ",") + "\n" }.joined()
    }

    private mutating func add(
        _ metric: String, _ value: Double?, at seconds: Double?, _ phase: RunPhase,
        _ connections: Int
    ) {
        guard let value, value.isFinite else { return }
        rows.append([
            seconds.map { FixedText.of($0, places: 3) } ?? "", phase.rawValue, "\(connections)",
            metric, FixedText.shortest(value),
        ])
    }

    private mutating func add(
        _ prefix: String, _ latency: LatencySummary, at seconds: Double?, _ phase: RunPhase,
        _ connections: Int
    ) {
        guard latency.count > 0 else { return }
        let figures: [(String, UInt64)] = [
            ("Count", latency.count), ("MinNanoseconds", latency.minNanoseconds),
            ("MeanNanoseconds", latency.meanNanoseconds),
            ("P50Nanoseconds", latency.p50Nanoseconds),
            ("P90Nanoseconds", latency.p90Nanoseconds), ("P99Nanoseconds", latency.p99Nanoseconds),
            ("P999Nanoseconds", latency.p999Nanoseconds),
            ("P9999Nanoseconds", latency.p9999Nanoseconds),
            ("MaxNanoseconds", latency.maxNanoseconds),
        ]
        for (name, value) in figures {
            add(prefix + name, Double(value), at: seconds, phase, connections)
        }
    }

    private mutating func add(
        _ use: ProcessorUse, at seconds: Double?, _ phase: RunPhase, _ connections: Int
    ) {
        let machine = use.machine
        let figures: [(String, Double?)] = [
            ("elapsedSeconds", use.elapsedSeconds),
            ("serverProcessorSeconds", use.serverSeconds),
            ("clientProcessorSeconds", use.clientSeconds),
            ("machineUserSeconds", machine.map { $0.userSeconds + $0.niceSeconds }),
            ("machineSystemSeconds", machine?.systemSeconds),
            ("machineInterruptSeconds", machine?.interruptSeconds),
            ("machineSoftInterruptSeconds", machine?.softInterruptSeconds),
            ("machineStealSeconds", machine?.stealSeconds),
        ]
        for (name, value) in figures { add(name, value, at: seconds, phase, connections) }
    }

    private mutating func add(_ step: StepResult) {
        let connections = step.connections
        let rampEnd = step.rampStartSeconds.map { $0 + step.rampSeconds }
        let ramp: [(String, Double?)] = [
            ("verified", step.verified ? 1 : 0),
            ("clientEstablished", Double(step.clientEstablished)),
            ("serverAccepted", Double(step.serverAccepted)),
            ("kernelCount", step.kernelCount.map { Double($0) }),
            ("rampSeconds", step.rampSeconds),
            ("connectionsAdded", Double(step.connectionsAdded)),
            ("connectsPerSecond", step.connectsPerSecond),
            ("connectFailures", Double(step.connectFailures.values.reduce(0, +))),
            ("kernelBytes", step.kernelMemory.map { Double($0.totalBytes) }),
            ("kernelBytesPerConnection", step.kernelBytesPerConnection),
            ("serverUserBytes", step.serverUserBytes.map { Double($0) }),
            ("clientUserBytes", step.clientUserBytes.map { Double($0) }),
            ("userBytesPerConnection", step.userBytesPerConnection),
            ("memoryUsableBytes", step.memoryUsableBytes.map { Double($0) }),
        ]
        for (name, value) in ramp { add(name, value, at: rampEnd, .ramp, connections) }
        add("connect", step.connectLatency, at: rampEnd, .ramp, connections)
        add(step.rampProcessor, at: rampEnd, .ramp, connections)
        guard let probe = step.probe else { return }
        let end = step.endSeconds
        let echo: [(String, Double?)] = [
            ("offeredPerSecond", probe.offeredPerSecond), ("due", Double(probe.due)),
            ("sent", Double(probe.sent)), ("answered", Double(probe.answered)),
            ("censored", Double(probe.censored)), ("wrongAnswers", Double(probe.wrongAnswers)),
            ("serverMicrosecondsPerEcho", probe.serverMicrosecondsPerEcho),
        ]
        for (name, value) in echo { add(name, value, at: end, .probe, connections) }
        add("echo", probe.latency, at: end, .probe, connections)
        add(probe.processor, at: end, .probe, connections)
    }

    private mutating func addWholeRun() {
        let connections = result.steps.last?.connections ?? 0
        if let sweep = result.sweep {
            let end = sweep.startSeconds.map { $0 + sweep.seconds }
            add("connectionsEchoed", Double(sweep.connectionsEchoed), at: end, .sweep, connections)
            add("echoesPerSecond", sweep.echoesPerSecond, at: end, .sweep, connections)
            add(sweep.processor, at: end, .sweep, connections)
        }
        if let hold = result.hold {
            let end = hold.startSeconds.map { $0 + hold.seconds }
            add("connectionsLost", Double(hold.connectionsLost), at: end, .hold, connections)
            add(hold.processor, at: end, .hold, connections)
        }
        if let close = result.teardown {
            let end = close.startSeconds.map { $0 + close.seconds }
            add("closesPerSecond", close.closesPerSecond, at: end, .close, connections)
            add("longestStallSeconds", close.longestStallSeconds, at: end, .close, connections)
            add("memoryBackSeconds", close.memoryBackSeconds, at: end, .close, connections)
            add(close.processor, at: end, .close, connections)
        }
    }

    private mutating func add(_ sample: HostSample) {
        let figures: [(String, Double?)] = [
            ("memoryUsableBytes", Double(sample.memoryUsableBytes)),
            ("memoryFreeBytes", Double(sample.memoryFreeBytes)),
            ("controlGroupLeftBytes", sample.controlGroupLeftBytes.map { Double($0) }),
            ("memoryPressureFullPercent", sample.memoryPressureFull),
            ("processorPressureSomePercent", sample.processorPressureSome),
            ("delaySeconds", sample.delaySeconds),
            ("timeWait", sample.timeWait.map { Double($0) }),
            ("tcpMemoryPages", sample.tcpMemoryPages.map { Double($0) }),
        ]
        for (name, value) in figures {
            guard let value, value.isFinite else { continue }
            rows.append([
                FixedText.of(sample.seconds, places: 3), "sample", "\(sample.connections)", name,
                FixedText.shortest(value),
            ])
        }
    }
}
