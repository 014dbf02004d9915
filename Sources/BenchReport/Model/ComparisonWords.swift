// Verdicts of a comparison as people say them.

import ConnectionBench

enum ComparisonWords {
    /// A byte is not faster than another one.
    static func verdict(_ verdict: ComparisonVerdict, _ metric: Metric) -> String {
        switch (verdict, metric.unit) {
        case (.noDifference, _): "no difference"
        case (.cannotTell, _): "cannot tell"
        case (.faster, .perSecond), (.faster, .nanoseconds): "faster"
        case (.slower, .perSecond), (.slower, .nanoseconds): "slower"
        case (.faster, .microseconds), (.faster, .bytes): "less"
        case (.slower, .microseconds), (.slower, .bytes): "more"
        }
    }

    static func format(_ metric: Metric) -> Axis.Format {
        switch metric.unit {
        case .perSecond: .count
        case .nanoseconds: .duration
        case .microseconds: .microseconds
        case .bytes: .bytes
        }
    }

    /// `×0.81 (0.75 to 0.88)`.
    static func ratio(_ ratio: RatioEstimate?) -> String {
        guard let ratio, ratio.value.isFinite else { return NumberText.missing }
        func text(_ value: Double) -> String { NumberText.decimal(value, places: 2) }
        return "×\(text(ratio.value)) (\(text(ratio.low)) to \(text(ratio.high)))"
    }

    /// What decides between backends.
    static let decisive: [Metric] = [
        .p99, .serverCPU, .connectRate, .echoRate, .kernelBytes, .userBytes,
    ]

    /// One sentence for each candidate against the reference, at the largest step of the two.
    static func sentences(_ comparisons: [Comparison], reference: String?) -> [String] {
        let told = comparisons.filter { $0.base == reference }
        return (told.isEmpty ? comparisons : told).compactMap { sentence($0) }
    }

    private static func sentence(_ comparison: Comparison) -> String? {
        let largest = comparison.cells.map(\.connections).max() ?? 0
        let cells = comparison.cells.filter {
            $0.connections == largest && decisive.contains($0.metric)
        }
        guard !cells.isEmpty else { return nil }
        func names(_ verdict: ComparisonVerdict) -> String? {
            let names = decisive.compactMap { metric in
                cells.first { $0.metric == metric && $0.verdict == verdict }.map { cell in
                    cell.metric.title
                        + (verdict == .faster || verdict == .slower
                            ? cell.ratio.map { " ×\(NumberText.decimal($0.value, places: 2))" }
                                ?? ""
                            : "")
                }
            }
            return names.isEmpty ? nil : names.joined(separator: ", ")
        }
        let parts = [
            names(.faster).map { "better in \($0)" }, names(.slower).map { "worse in \($0)" },
            names(.noDifference).map { "no difference in \($0)" },
            names(.cannotTell).map { "cannot tell for \($0)" },
        ].compactMap(\.self)
        return "\(Candidate.name(ofSet: comparison.new)) against"
            + " \(Candidate.name(ofSet: comparison.base))"
            + (largest > 0 ? " at \(Count.format(largest)) connections" : "")
            + ": \(parts.joined(separator: "; "))."
    }
}
