// The room of a chart: its size, its margins, its axes and grid.

/// A chart is drawn twice, for wide and for narrow screens: shrunk text cannot be read on a phone.
enum PlotWidth: String, CaseIterable {
    case wide, narrow

    var size: (width: Double, height: Double) {
        switch self {
        case .wide: (560, 330)
        case .narrow: (344, 280)
        }
    }
}

struct PlotFrame {
    static let fontSize = 12.0
    /// Of the system's sans serif faces at 12 pixels; a little too large rather than too small.
    static let characterWidth = 6.6

    let width: Double
    let height: Double
    let x: Scale
    let y: Scale
    private let xAxis: Axis
    private let yAxis: Axis

    let left: Double
    let right: Double
    let top = 34.0
    let bottom: Double

    /// - Parameter labelLength: characters of the longest label at the right.
    init(
        _ plotWidth: PlotWidth, x xAxis: Axis, _ xValues: [Double], y yAxis: Axis,
        _ yValues: [Double], labelLength: Int, height: Double? = nil
    ) {
        (self.xAxis, self.yAxis) = (xAxis, yAxis)
        width = plotWidth.size.width
        self.height = height ?? plotWidth.size.height
        let ySpan = yAxis.scale(covering: yValues)
        let yLabels = Ticks(ySpan, count: 6).major.map { yAxis.format.tick($0).count }
        left = 14 + Double(yLabels.max() ?? 1) * Self.characterWidth
        let labelSpace = labelLength == 0 ? 14 : 14 + Double(labelLength) * Self.characterWidth
        right = width - min(labelSpace, width * 0.34)
        bottom = self.height - 44
        x = xAxis.scale(covering: xValues).placed(from: left, to: right)
        y = ySpan.placed(from: bottom, to: top)
    }

    /// Grid, ticks and titles; without the grid of x where its places are categories.
    func axes(hasXTicks: Bool = true) -> [Markup] {
        var parts = yTicks
        if hasXTicks { parts += xTicks }
        parts.append(
            Markup("line", ["class": "base", "x1": left, "y1": bottom, "x2": right, "y2": bottom]))
        parts.append(
            Markup("text", ["class": "axis-title", "x": 2.0, "y": 13.0], text: yAxis.title))
        parts.append(
            Markup(
                "text",
                [
                    "class": "axis-title", "x": right, "y": height - 5, "text-anchor": "end",
                ], text: xAxis.title))
        return parts
    }

    private var yTicks: [Markup] {
        let ticks = Ticks(y, count: 6)
        var parts: [Markup] = []
        for value in ticks.major {
            guard let place = y.position(value) else { continue }
            parts.append(
                Markup(
                    "line", ["class": "grid", "x1": left, "y1": place, "x2": right, "y2": place])
            )
            parts.append(
                Markup(
                    "text",
                    ["class": "tick", "x": left - 6, "y": place + 4, "text-anchor": "end"],
                    text: yAxis.format.tick(value)))
        }
        for value in ticks.minor {
            guard let place = y.position(value) else { continue }
            parts.append(
                Markup(
                    "line",
                    ["class": "minor", "x1": left - 3, "y1": place, "x2": left, "y2": place]))
        }
        return parts
    }

    private var xTicks: [Markup] {
        let longest = Double([x.low, x.high].map { xAxis.format.tick($0).count }.max() ?? 4)
        let room = max(34, (longest + 2) * Self.characterWidth)
        var ticks = Ticks(x, count: max(2, Int(saturating: (right - left) / room)))
        if let labelled = xAxis.labelled { ticks.major = thinned(labelled) }
        var parts: [Markup] = []
        for value in ticks.major {
            guard let place = x.position(value) else { continue }
            parts.append(
                Markup(
                    "line",
                    ["class": "base", "x1": place, "y1": bottom, "x2": place, "y2": bottom + 5]))
            parts.append(
                Markup(
                    "text",
                    ["class": "tick", "x": place, "y": bottom + 18, "text-anchor": "middle"],
                    text: xAxis.format.tick(value)))
        }
        for value in ticks.minor {
            guard let place = x.position(value) else { continue }
            parts.append(
                Markup(
                    "line",
                    ["class": "minor", "x1": place, "y1": bottom, "x2": place, "y2": bottom + 3]))
        }
        return parts
    }

    /// From the last to the first, without those that would touch a later one.
    private func thinned(_ values: [Double]) -> [Double] {
        var kept: [Double] = []
        var limit = Double.infinity
        for value in values.sorted().reversed() where x.contains(value) {
            let width = Double(xAxis.format.tick(value).count) * Self.characterWidth
            guard let place = x.position(value), place + width / 2 <= limit else { continue }
            kept.append(value)
            limit = place - width / 2 - Self.characterWidth
        }
        return kept
    }

    /// The whole drawing. It can be reached by the keyboard; the page's script then tells its
    /// values.
    func drawing(id: String, title: String, description: String, _ parts: [Markup]) -> String {
        Self.drawing(
            id: id, title: title, description: description, width: width, height: height, parts)
    }

    static func drawing(
        id: String, title: String, description: String, width: Double, height: Double,
        _ parts: [Markup]
    ) -> String {
        Markup(
            "svg",
            [
                "viewBox": "0 0 \(NumberText.plain(width)) \(NumberText.plain(height))",
                "width": width, "height": height, "role": "img", "tabindex": "0",
                "aria-labelledby": "\(id)-t \(id)-d",
            ],
            [
                Markup("title", ["id": "\(id)-t"], text: title),
                Markup("desc", ["id": "\(id)-d"], text: description),
            ] + parts
        ).rendered
    }
}
