// A run as lines of JSON, one object each: while it goes on, or from its result.

/// What `--stream` writes and what an `.ndjson` file holds; every line says its `event` and when.
enum StreamLine: Encodable {
    /// The next of several runs begins; its lines follow.
    case run(candidate: String, round: Int)
    case start(RunResult)
    case phase(RunPhaseStart)
    case interval(RunInterval)
    /// The host once a second, in a file that is written at the end.
    case sample(HostSample)
    case step(StepResult, seconds: Double)
    case warning(RunWarning, seconds: Double?)
    case end(RunResult, linesDropped: Int)

    static let schemaName = "uring-bench.stream"
    static let schemaVersion = "1.0"

    init(_ event: RunEvent, linesDropped: Int) {
        switch event {
        case .started(let result): self = .start(result)
        case .phase(let phase): self = .phase(phase)
        case .interval(let interval): self = .interval(interval)
        case .step(let step, let seconds): self = .step(step, seconds: seconds)
        case .warning(let warning, let seconds): self = .warning(warning, seconds: seconds)
        case .ended(let result): self = .end(result, linesDropped: linesDropped)
        }
    }

    private enum Key: String, CodingKey {
        case event, seconds, schema, schemaVersion, tool, startedAt, commandLine, plan, kernel
        case processors, step, id, message, complete, exitCode, stopped, verdict, connections
        case linesDropped, candidate, round
    }

    func encode(to encoder: any Encoder) throws {
        var line = encoder.container(keyedBy: Key.self)
        switch self {
        case .run(let candidate, let round):
            try line.encode("run", forKey: .event)
            try line.encode(candidate, forKey: .candidate)
            try line.encode(round, forKey: .round)
        case .start(let result):
            try line.encode("start", forKey: .event)
            try line.encode(0, forKey: .seconds)
            try encodeStart(result, &line)
        case .phase(let phase):
            try line.encode("phase", forKey: .event)
            try phase.encode(to: encoder)
        case .interval(let interval):
            try line.encode("interval", forKey: .event)
            try interval.encode(to: encoder)
        case .sample(let sample):
            try line.encode("sample", forKey: .event)
            try sample.encode(to: encoder)
        case .step(let step, let seconds):
            try line.encode("step", forKey: .event)
            try line.encode(seconds, forKey: .seconds)
            try line.encode(step, forKey: .step)
        case .warning(let warning, let seconds):
            try line.encode("warning", forKey: .event)
            try line.encodeIfPresent(seconds, forKey: .seconds)
            try line.encode(warning.id, forKey: .id)
            try line.encode(warning.message, forKey: .message)
        case .end(let result, let linesDropped):
            try line.encode("end", forKey: .event)
            try line.encode(result.elapsedSeconds, forKey: .seconds)
            try line.encode(linesDropped, forKey: .linesDropped)
            try encodeEnd(result, &line)
        }
    }

    private func encodeStart(
        _ result: RunResult, _ line: inout KeyedEncodingContainer<Key>
    ) throws {
        try line.encode(StreamLine.schemaName, forKey: .schema)
        try line.encode(StreamLine.schemaVersion, forKey: .schemaVersion)
        try line.encode(result.tool, forKey: .tool)
        try line.encode(result.startedAt, forKey: .startedAt)
        try line.encode(result.commandLine, forKey: .commandLine)
        try line.encode(result.plan, forKey: .plan)
        try line.encodeIfPresent(result.host.kernelRelease, forKey: .kernel)
        try line.encodeIfPresent(result.host.processorsOnline, forKey: .processors)
    }

    private func encodeEnd(_ result: RunResult, _ line: inout KeyedEncodingContainer<Key>) throws {
        try line.encode(result.complete, forKey: .complete)
        try line.encode(result.exitCode, forKey: .exitCode)
        try line.encodeIfPresent(result.stopped, forKey: .stopped)
        try line.encodeIfPresent(result.verdict, forKey: .verdict)
        // The most that all three counts agreed on.
        try line.encode(result.connectionsVerified, forKey: .connections)
    }
}

/// `.ndjson`: the lines that can be told from a finished result, in the order of time.
struct ResultLines {
    private let result: RunResult

    init(_ result: RunResult) {
        self.result = result
    }

    func text() throws -> String {
        try lines.map { try JSONText.line($0) + "\n" }.joined()
    }

    private var lines: [StreamLine] {
        let steps = result.steps.map { step in
            (step.endSeconds ?? 0, StreamLine.step(step, seconds: step.endSeconds ?? 0))
        }
        let samples = result.samples.map { ($0.seconds, StreamLine.sample($0)) }
        let timed = (steps + samples).enumerated().sorted {
            ($0.element.0, $0.offset) < ($1.element.0, $1.offset)
        }
        // When a warning was given is not in a result.
        return [.start(result)] + timed.map { $0.element.1 }
            + result.warnings.map { .warning($0, seconds: nil) }
            + [.end(result, linesDropped: 0)]
    }
}

extension StepResult {
    /// When its last figure was taken, since the start of the run.
    var endSeconds: Double? {
        probe?.startSeconds.map { $0 + (probe?.seconds ?? 0) }
            ?? rampStartSeconds.map { $0 + rampSeconds }
    }
}
