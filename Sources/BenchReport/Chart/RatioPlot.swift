// A ratio with its interval in one line of a table, on a scale that the whole table shares.

import ConnectionBench

enum RatioPlot {
    private static let width = 132.0
    private static let height = 22.0

    /// As far to either side of 1 as the widest of them goes, within reason.
    static func scale(_ ratios: [RatioEstimate]) -> Scale {
        let ends = ratios.flatMap { [$0.low, $0.high, $0.value] }
            .filter { $0.isFinite && $0 > 0 }.map { max($0, 1 / $0) }
        let reach = min(max(ends.max() ?? 1, 1.1), 20) * 1.05
        return Scale(.log, from: 1 / reach, to: reach).placed(from: 4, to: width - 4)
    }

    /// Empty for a ratio that cannot be shown. The row says the same in words, so readers of the
    /// screen are not told of it.
    static func drawing(
        _ ratio: RatioEstimate, _ verdict: ComparisonVerdict, _ scale: Scale
    ) -> String {
        guard let value = scale.position(ratio.value), let one = scale.position(1) else {
            return ""
        }
        let middle = height / 2
        var parts = [
            Markup("line", ["class": "base", "x1": one, "y1": 0.0, "x2": one, "y2": height])
        ]
        let style = style(verdict)
        if let low = scale.position(ratio.low), let high = scale.position(ratio.high) {
            parts.append(
                Markup(
                    "line",
                    [
                        "class": "whisker c\(style)", "x1": low, "y1": middle, "x2": high,
                        "y2": middle,
                    ]
                ))
        }
        parts.append(
            Marker(style).drawing(x: value, y: middle, radius: 4, style: "point c\(style)", tip: "")
        )
        return Markup(
            "svg",
            [
                "viewBox": "0 0 \(NumberText.plain(width)) \(NumberText.plain(height))",
                "width": width, "height": height, "aria-hidden": "true",
            ], parts
        ).rendered
    }

    private static func style(_ verdict: ComparisonVerdict) -> Int {
        switch verdict {
        case .faster: 2
        case .slower: 1
        case .noDifference, .cannotTell: 7
        }
    }
}
