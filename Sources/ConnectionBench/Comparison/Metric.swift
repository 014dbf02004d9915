// The figures that can be compared and bounded, each with its name, unit and better direction.

/// A figure of a step, or of a whole run.
public enum Metric: String, CaseIterable, Codable, Hashable, Sendable {
    case connectRate
    case connectP50, connectP99
    case p50, p99, p999
    /// Answers per second; of a closed loop the throughput, else at most the offered rate.
    case echoRate
    /// CPU time of the servers, and of the clients, per echo.
    case serverCPU, clientCPU
    /// CPU time of servers and clients together per connect.
    case connectCPU
    case kernelBytes, userBytes
    /// Of the whole run.
    case closeRate

    public enum Unit: Sendable {
        case perSecond, nanoseconds, microseconds, bytes
    }

    public var unit: Unit {
        switch self {
        case .connectRate, .echoRate, .closeRate: .perSecond
        case .connectP50, .connectP99, .p50, .p99, .p999: .nanoseconds
        case .serverCPU, .clientCPU, .connectCPU: .microseconds
        case .kernelBytes, .userBytes: .bytes
        }
    }

    public var prefersLarger: Bool { unit == .perSecond }

    /// The figures that people ask about first, in this order.
    static let headline: [Metric] = [.serverCPU, .p50, .p99, .connectRate]

    var isHeadline: Bool { Metric.headline.contains(self) }

    /// A client that is the bottleneck measures itself in these.
    public var isBoundByClient: Bool { [.p50, .p99, .p999, .echoRate].contains(self) }

    /// Measured while requests are sent: of unlike loads it cannot be compared.
    public var dependsOnLoad: Bool {
        switch self {
        case .p50, .p99, .p999, .echoRate, .serverCPU, .clientCPU: true
        case .connectRate, .connectP50, .connectP99, .connectCPU, .closeRate, .kernelBytes,
            .userBytes:
            false
        }
    }

    /// For people.
    public var title: String {
        switch self {
        case .connectRate: "connects/s"
        case .connectP50: "connect p50"
        case .connectP99: "connect p99"
        case .p50: "echo p50"
        case .p99: "echo p99"
        case .p999: "echo p99.9"
        case .echoRate: "echoes/s"
        case .serverCPU: "server CPU per echo"
        case .clientCPU: "client CPU per echo"
        case .connectCPU: "CPU per connect"
        case .kernelBytes: "kernel bytes per connection"
        case .userBytes: "user bytes per connection"
        case .closeRate: "closes/s"
        }
    }

    /// The figure of one step; `nil`: it was not measured. ``closeRate`` is of no step.
    public func value(of step: StepResult) -> Double? {
        func positive(_ value: UInt64) -> Double? { value == 0 ? nil : Double(value) }
        switch self {
        case .connectRate:
            return step.connectsPerSecond > 0 ? step.connectsPerSecond : nil
        case .connectP50: return positive(step.connectLatency.p50Nanoseconds)
        case .connectP99: return positive(step.connectLatency.p99Nanoseconds)
        case .p50: return step.probe.flatMap { positive($0.latency.p50Nanoseconds) }
        case .p99: return step.probe.flatMap { positive($0.latency.p99Nanoseconds) }
        case .p999: return step.probe.flatMap { positive($0.latency.p999Nanoseconds) }
        case .echoRate:
            return step.probe.flatMap { $0.answered > 0 ? Double($0.answered) / $0.seconds : nil }
        case .serverCPU:
            return step.probe?.serverMicrosecondsPerEcho.flatMap { $0 > 0 ? $0 : nil }
        case .clientCPU:
            return step.probe.flatMap { probe in
                probe.answered > 0 && probe.processor.clientSeconds > 0
                    ? probe.processor.clientSeconds * 1e6 / Double(probe.answered) : nil
            }
        case .connectCPU:
            let seconds = step.rampProcessor.serverSeconds + step.rampProcessor.clientSeconds
            return step.connectionsAdded > 0 && seconds > 0
                ? seconds * 1e6 / Double(step.connectionsAdded) : nil
        case .kernelBytes: return step.kernelBytesPerConnection
        case .userBytes: return step.userBytesPerConnection
        case .closeRate: return nil
        }
    }

    /// The figure of a whole run; `nil` for those of a step.
    public func value(of run: RunResult) -> Double? {
        guard self == .closeRate, let teardown = run.teardown, teardown.closesPerSecond > 0
        else { return nil }
        return teardown.closesPerSecond
    }
}
