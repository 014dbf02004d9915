// The round numbers of an axis, as many as there is room for.

import Glibc

struct Ticks {
    /// With a label.
    var major: [Double]
    /// Without one: a logarithmic axis shows by them that it is one.
    var minor: [Double] = []

    /// - Parameter count: labels at most.
    init(_ scale: Scale, count: Int) {
        switch scale.kind {
        case .linear: major = Self.linear(scale, count: count)
        case .log:
            let sets = Self.logarithmic(scale)
            let fitting = sets.first { $0.count <= max(count, 2) && $0.count >= 2 }
            if let fitting {
                major = fitting
            } else {
                // Less than the distance from 2 to 5: as on a linear axis.
                let few = sets.first { $0.count == 1 } ?? []
                let all = Self.linear(scale, count: count).filter { $0 > 0 }
                major = all.count >= 2 ? all : few
            }
            let labelled = Set(major)
            minor = Self.multiples(scale, Array(1...9).map(Double.init), every: 1)
                .filter { !labelled.contains($0) }
            if minor.count > 60 { minor = [] }
        }
    }

    /// A step of 1, 2, 2.5 or 5 times a power of ten that divides the range into `count` at most.
    static func step(_ low: Double, _ high: Double, count: Int) -> Double {
        let rough = (high - low) / Double(max(count, 1))
        guard rough > 0, rough.isFinite else { return 1 }
        let decade = pow(10, floor(log10(rough)))
        return [1.0, 2, 2.5, 5].map { $0 * decade }.first { $0 >= rough * (1 - 1e-9) }
            ?? 10 * decade
    }

    private static func linear(_ scale: Scale, count: Int) -> [Double] {
        let step = step(scale.low, scale.high, count: count)
        let first = (scale.low / step - 1e-9).rounded(.up)
        let last = (scale.high / step + 1e-9).rounded(.down)
        guard last - first >= 0, last - first <= 1_000 else { return [] }
        return stride(from: first, through: last, by: 1).map { $0 * step }
    }

    /// The finest set first.
    private static func logarithmic(_ scale: Scale) -> [[Double]] {
        [[1.0, 2, 5], [1, 3]].map { multiples(scale, $0, every: 1) }
            + (1...30).map { multiples(scale, [1], every: $0) }
    }

    /// `digits` times every n-th power of ten within the scale.
    private static func multiples(
        _ scale: Scale, _ digits: [Double], every interval: Int
    ) -> [Double] {
        let first = Int(saturating: floor(log10(scale.low) - 1e-9))
        let last = Int(saturating: ceil(log10(scale.high)))
        var ticks: [Double] = []
        for exponent in first...last where exponent % interval == 0 {
            // Small powers by division: 0.001 is then the same as in the source.
            let decade = exponent < 0 ? 1 / pow(10, Double(-exponent)) : pow(10, Double(exponent))
            ticks += digits.map { $0 * decade }.filter { scale.contains($0) }
        }
        return ticks
    }
}
