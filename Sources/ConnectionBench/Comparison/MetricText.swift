// Figures as people write and read them: names, units, values.

extension Metric {
    /// Reads a name such as `p99`, `p99.9`, `connect-rate` or `serverCPU`.
    init?(named text: String) {
        let name = Metric.plain(text)
        if let metric = Metric.allCases.first(where: { Metric.plain($0.rawValue) == name }) {
            self = metric
        } else if let metric = Metric.aliases[name] {
            self = metric
        } else {
            return nil
        }
    }

    /// Case, dashes and dots do not matter.
    private static func plain(_ text: String) -> String {
        text.lowercased().filter { !"-_. ".contains($0) }
    }

    private static let aliases: [String: Metric] = [
        "connectspersecond": .connectRate, "echop50": .p50, "echop99": .p99, "echop999": .p999,
        "throughput": .echoRate, "echoespersecond": .echoRate, "servercpuperecho": .serverCPU,
        "clientcpuperecho": .clientCPU, "cpuperconnect": .connectCPU,
        "kernelbytesperconnection": .kernelBytes, "userbytesperconnection": .userBytes,
        "closespersecond": .closeRate,
    ]

    /// For error messages, as they are typed.
    public static let names = [
        "connect-rate", "connect-p50", "connect-p99", "p50", "p99", "p99.9", "echo-rate",
        "server-cpu", "client-cpu", "connect-cpu", "kernel-bytes", "user-bytes", "close-rate",
    ].joined(separator: ", ")

    /// A name for narrow columns.
    var shortTitle: String {
        switch self {
        case .serverCPU: "server CPU/echo"
        case .clientCPU: "client CPU/echo"
        case .connectCPU: "CPU/connect"
        case .kernelBytes: "kernel B/conn"
        case .userBytes: "user B/conn"
        default: title
        }
    }

    /// `echo p99 at 1,000 connections`; 0: of the whole run.
    func title(at connections: Int) -> String {
        connections > 0 ? "\(title) at \(Count.format(connections)) connections" : title
    }

    /// A value with its unit, short.
    func text(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
        switch unit {
        case .nanoseconds: return DurationText.of(UInt64(saturating: max(0, value)))
        case .microseconds: return DurationText.of(UInt64(saturating: max(0, value * 1_000)))
        case .bytes: return "\(Count.format(Int(saturating: value.rounded()))) B"
        case .perSecond: return Count.format(Int(saturating: value.rounded()))
        }
    }

    /// What a better or worse value is called.
    func word(_ verdict: ComparisonVerdict) -> String {
        switch verdict {
        case .noDifference: return "no difference"
        case .cannotTell: return "cannot tell"
        case .faster, .slower:
            switch unit {
            case .perSecond, .nanoseconds: return verdict.rawValue
            // Bytes and processor time are not fast.
            case .bytes, .microseconds: return verdict == .faster ? "less" : "more"
            }
        }
    }

    /// "12 % more server CPU per echo", "an 8 % lower echo p99".
    func sentence(_ new: String, against base: String, _ ratio: RatioEstimate) -> String {
        let change = abs(ratio.value - 1)
        let amount =
            ratio.value >= 3 ? "\(Decimal1.text(ratio.value)) times" : ChangeText.percent(change)
        let interval = ChangeText.interval(ratio)
        if ratio.value >= 3 {
            return "\(new) has \(amount) the \(title) of \(base) \(interval)"
        }
        switch unit {
        case .perSecond:
            let word = ratio.value > 1 ? "more" : "fewer"
            return "\(new) makes \(amount) \(word) \(title) than \(base) \(interval)"
        case .nanoseconds:
            let word = ratio.value > 1 ? "longer" : "shorter"
            return "the \(title) of \(new) is \(amount) \(word) than that of \(base) \(interval)"
        case .microseconds, .bytes:
            let word = ratio.value > 1 ? "more" : unit == .bytes ? "fewer" : "less"
            return "\(new) needs \(amount) \(word) \(title) than \(base) \(interval)"
        }
    }
}
