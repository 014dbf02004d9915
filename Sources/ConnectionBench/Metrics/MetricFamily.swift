// Metrics as plain values, and their two texts: Prometheus' own, and OpenMetrics 1.0.

/// All samples of one name.
struct MetricFamily {
    enum Kind: String {
        case gauge, counter, summary
    }

    struct Sample {
        var suffix = ""
        var labels: [(name: String, value: String)] = []
        var value: Double
    }

    /// Without the `_total` of a counter.
    let name: String
    let kind: Kind
    /// The unit that the name ends with.
    let unit: String?
    let help: String
    var samples: [Sample]

    init(
        _ name: String, kind: Kind = .gauge, unit: String? = nil, _ help: String,
        _ samples: [Sample] = []
    ) {
        self.name = "uring_bench_" + name
        self.kind = kind
        self.unit = unit
        self.help = help
        self.samples = samples
    }

    /// One figure without labels.
    init(
        _ name: String, kind: Kind = .gauge, unit: String? = nil, _ help: String, _ value: Double
    ) {
        self.init(name, kind: kind, unit: unit, help, [Sample(value: value)])
    }

    mutating func add(_ value: Double?, _ labels: (name: String, value: String)...) {
        if let value { samples.append(Sample(labels: labels, value: value)) }
    }

    /// Quantiles, sum and count of seconds.
    mutating func add(_ latency: LatencySummary, _ label: (name: String, value: String)) {
        guard latency.count > 0 else { return }
        let quantiles: [(String, UInt64)] = [
            ("0.5", latency.p50Nanoseconds), ("0.9", latency.p90Nanoseconds),
            ("0.99", latency.p99Nanoseconds), ("0.999", latency.p999Nanoseconds),
            ("0.9999", latency.p9999Nanoseconds), ("1", latency.maxNanoseconds),
        ]
        for (quantile, value) in quantiles {
            add(Double(value) / 1e9, label, ("quantile", quantile))
        }
        let sum = Double(latency.meanNanoseconds) * Double(latency.count) / 1e9
        samples.append(Sample(suffix: "_sum", labels: [label], value: sum))
        samples.append(Sample(suffix: "_count", labels: [label], value: Double(latency.count)))
    }
}

enum MetricsText {
    static let openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    static let prometheusType = "text/plain; version=0.0.4; charset=utf-8"

    /// For node_exporter's textfile collector, and scrapers that ask for it.
    static func prometheus(_ families: [MetricFamily]) -> String {
        families.filter { !$0.samples.isEmpty }.map { family in
            // There a counter is named as its samples are.
            let name = family.name + (family.kind == .counter ? "_total" : "")
            return "# HELP \(name) \(escapedHelp(family.help, quotes: false))\n"
                + "# TYPE \(name) \(family.kind.rawValue)\n" + samples(family)
        }.joined()
    }

    static func openMetrics(_ families: [MetricFamily]) -> String {
        families.filter { !$0.samples.isEmpty }.map { family in
            "# TYPE \(family.name) \(family.kind.rawValue)\n"
                + (family.unit.map { "# UNIT \(family.name) \($0)\n" } ?? "")
                + "# HELP \(family.name) \(escapedHelp(family.help, quotes: true))\n"
                + samples(family)
        }.joined() + "# EOF\n"
    }

    private static func samples(_ family: MetricFamily) -> String {
        family.samples.map { sample in
            let suffix = family.kind == .counter ? "_total" : sample.suffix
            let labels = sample.labels.map { "\($0.name)=\"\(escapedLabel($0.value))\"" }
            let braces = labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}"
            return "\(family.name)\(suffix)\(braces) \(number(sample.value))\n"
        }.joined()
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return FixedText.shortest(value)
    }

    static func escapedLabel(_ text: String) -> String {
        escapedHelp(text, quotes: true)
    }

    private static func escapedHelp(_ text: String, quotes: Bool) -> String {
        text.unicodeScalars.reduce(into: "") { result, scalar in
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
    }
}
