// From a value to a place on an axis, linear or logarithmic.

import Glibc

struct Scale {
    enum Kind {
        case linear, log
    }

    /// How the ends are chosen from the values.
    enum Fit {
        /// From 0 to a round number.
        case fromZero
        /// From 0 to the largest value.
        case fromZeroTight
        /// From round number to round number.
        case round
        /// A little more than the values.
        case tight
    }

    let kind: Kind
    let low: Double
    let high: Double
    /// Pixels of the two ends; the second may be the smaller.
    var start = 0.0
    var end = 1.0

    /// Covers what can be shown of `values`: the finite ones, of a logarithmic scale the positive.
    init(_ kind: Kind, covering values: [Double], fit: Fit) {
        self.kind = kind
        let shown = values.filter { Self.canShow($0, kind) }
        let (smallest, largest) = (shown.min() ?? 1, shown.max() ?? 1)
        switch (kind, fit) {
        case (.log, .tight):
            (low, high) = (smallest / 1.2, largest * 1.2)
        case (.log, _):
            let under = Self.roundDown(smallest)
            let over = -Self.roundDown(-largest)
            (low, high) = under < over ? (under, over) : (under / 2, over * 2)
        case (.linear, .fromZeroTight):
            (low, high) = (min(0, smallest), largest > 0 ? largest : 1)
        case (.linear, .tight):
            let margin = max((largest - smallest) * 0.06, abs(largest) * 0.01, 1e-9)
            (low, high) = (smallest - margin, largest + margin)
        case (.linear, _):
            let floor = fit == .fromZero ? min(0, smallest) : smallest
            let top = largest > floor ? largest : floor + max(abs(floor), 1)
            let step = Ticks.step(floor, top, count: 5)
            low = (floor / step).rounded(.down) * step
            high = (top / step).rounded(.up) * step
        }
    }

    /// Ends that are given.
    init(_ kind: Kind, from low: Double, to high: Double) {
        precondition(low < high && (kind == .linear || low > 0), "\(low) to \(high)")
        (self.kind, self.low, self.high) = (kind, low, high)
    }

    func placed(from start: Double, to end: Double) -> Scale {
        var scale = self
        (scale.start, scale.end) = (start, end)
        return scale
    }

    /// The pixel of `value`; `nil`: it cannot be shown. Values beyond an end stop there.
    func position(_ value: Double) -> Double? {
        guard Self.canShow(value, kind) else { return nil }
        let part =
            switch kind {
            case .linear: (value - low) / (high - low)
            case .log: log(value / low) / log(high / low)
            }
        return start + min(max(part, 0), 1) * (end - start)
    }

    func contains(_ value: Double) -> Bool {
        let slack = (high - low) * 1e-9
        return value >= low - slack && value <= high + slack
    }

    static func canShow(_ value: Double, _ kind: Kind) -> Bool {
        value.isFinite && (kind == .linear || value > 0)
    }

    /// The next 1, 2 or 5 times a power of ten below `value`; of a negative value, above its size
    /// and negative.
    private static func roundDown(_ value: Double) -> Double {
        let size = abs(value)
        let decade = pow(10, floor(log10(size) + 1e-12))
        let steps = [1.0, 2, 5, 10].map { $0 * decade }
        if value > 0 { return steps.last { $0 <= size * (1 + 1e-9) } ?? decade }
        return -(steps.first { $0 >= size * (1 - 1e-9) } ?? 10 * decade)
    }
}
