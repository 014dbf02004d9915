// Candidates below each other in one figure: a dot, its interval, and the single runs.

struct DotChart {
    struct Row {
        var name: String
        var style: Int
        /// What its dot stands for.
        var value: Double
        var interval: ClosedRange<Double>?
        var runs: [Double]
        /// At the right: the value in words.
        var label: String
        /// Below it: how it compares.
        var verdict: String
        var tip: String
    }

    var title: String
    var subtitle: String
    var description: String
    var format: Axis.Format
    var rows: [Row]

    private static let rowHeight = 44.0
    private static let top = 8.0

    var isEmpty: Bool { rows.allSatisfy { !$0.value.isFinite } }

    /// The same for wide and narrow screens: the panels stand side by side where there is room.
    func drawing(id: String) -> String {
        let width = PlotWidth.narrow.size.width
        let height = Self.top + Double(rows.count) * Self.rowHeight + 26
        let names = Double(rows.map(\.name.count).max() ?? 0) * PlotFrame.characterWidth
        let labels = Double(rows.flatMap { [$0.label.count, $0.verdict.count] }.max() ?? 0)
        let left = min(12 + names, width * 0.3)
        let right = width - min(12 + labels * PlotFrame.characterWidth, width * 0.46)
        let values = rows.flatMap { row in
            [row.value] + row.runs + (row.interval.map { [$0.lowerBound, $0.upperBound] } ?? [])
        }
        let scale = Scale(.linear, covering: values, fit: .tight).placed(from: left, to: right)
        let bottom = height - 26
        var parts = axis(scale, bottom: bottom)
        for (index, row) in rows.enumerated() {
            let y = Self.top + (Double(index) + 0.5) * Self.rowHeight
            parts += drawing(row, y: y, scale, labelX: right + 10)
        }
        return PlotFrame.drawing(
            id: id, title: title, description: description, width: width, height: height, parts)
    }

    private func axis(_ scale: Scale, bottom: Double) -> [Markup] {
        let (left, right) = (scale.start, scale.end)
        var parts = [
            Markup("line", ["class": "base", "x1": left, "y1": bottom, "x2": right, "y2": bottom])
        ]
        for value in ticks(scale) {
            guard let x = scale.position(value) else { continue }
            parts.append(
                Markup("line", ["class": "grid", "x1": x, "y1": Self.top, "x2": x, "y2": bottom]))
            parts.append(
                Markup(
                    "text", ["class": "tick", "x": x, "y": bottom + 16, "text-anchor": "middle"],
                    text: format.tick(value)))
        }
        return parts
    }

    /// As many as fit beside each other.
    private func ticks(_ scale: Scale) -> [Double] {
        for count in [4, 3, 2] {
            let ticks = Ticks(scale, count: count).major
            let longest = Double(ticks.map { format.tick($0).count }.max() ?? 0)
            let places = ticks.compactMap { scale.position($0) }
            let room = zip(places, places.dropFirst()).map { $1 - $0 }.min() ?? .infinity
            if room >= (longest + 1.5) * PlotFrame.characterWidth { return ticks }
        }
        return Ticks(scale, count: 1).major
    }

    private func drawing(_ row: Row, y: Double, _ scale: Scale, labelX: Double) -> [Markup] {
        var parts = [
            Markup("text", ["class": "label c\(row.style)", "x": 2.0, "y": y + 4], text: row.name),
            Markup("text", ["class": "value", "x": labelX, "y": y - 2], text: row.label),
            Markup("text", ["class": "verdict", "x": labelX, "y": y + 13], text: row.verdict),
        ]
        if let interval = row.interval, let low = scale.position(interval.lowerBound),
            let high = scale.position(interval.upperBound)
        {
            parts.append(
                Markup(
                    "line",
                    ["class": "whisker c\(row.style)", "x1": low, "y1": y, "x2": high, "y2": y]))
        }
        for run in row.runs {
            guard let x = scale.position(run) else { continue }
            parts.append(
                Markup(
                    "line",
                    ["class": "run c\(row.style)", "x1": x, "y1": y + 7, "x2": x, "y2": y + 13]))
        }
        if let x = scale.position(row.value) {
            parts.append(
                Marker(row.style).drawing(
                    x: x, y: y, radius: 5, style: "point c\(row.style)", tip: row.tip))
        }
        return parts
    }
}
