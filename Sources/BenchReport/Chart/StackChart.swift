// Bars of layers that add up: what a whole consists of, step by step.

struct StackChart {
    struct Layer {
        var name: String
        /// The class of its colour.
        var style: String
        /// One for each category; `nil`: not measured.
        var values: [Double?]
    }

    struct Bound {
        var value: Double
        var label: String
    }

    var title: String
    var description: String
    /// Names of the bars; the whole is called by `xAxisTitle`.
    var categories: [String]
    var xAxisTitle: String
    var yAxis: Axis
    /// From the bottom to the top.
    var layers: [Layer]
    /// Said of a bar besides its layers, such as a figure that is not stacked.
    var notes: [String?] = []
    var bound: Bound?

    /// The top of each bar. What cannot be stacked (missing, negative, not finite) counts as 0.
    var totals: [Double] {
        categories.indices.map { category in
            layers.reduce(0) { $0 + Self.height($1.values[category]) }
        }
    }

    var isEmpty: Bool { totals.allSatisfy { $0 <= 0 } }

    /// Stands in the layer and in the legend, so that both can be matched without colour.
    static func letter(_ index: Int) -> String {
        String(UnicodeScalar(UInt8(ascii: "a") + UInt8(index % 26)))
    }

    private static func height(_ value: Double?) -> Double {
        guard let value, value.isFinite, value > 0 else { return 0 }
        return value
    }

    func drawing(id: String, _ width: PlotWidth) -> String {
        var axis = yAxis
        if let bound { axis.includes.append(bound.value) }
        let frame = PlotFrame(
            width, x: Axis(title: xAxisTitle, format: .count), [0, Double(categories.count)],
            y: axis, totals, labelLength: 0)
        var parts = frame.axes(hasXTicks: false)
        let room = (frame.right - frame.left) / Double(max(categories.count, 1))
        let barWidth = min(room * 0.72, 64)
        for category in categories.indices {
            let middle = frame.left + room * (Double(category) + 0.5)
            parts += bar(category, middle: middle, width: barWidth, in: frame)
            guard isLabelled(category, room: room) else { continue }
            parts.append(
                Markup(
                    "text",
                    [
                        "class": "tick", "x": middle, "y": frame.bottom + 18,
                        "text-anchor": "middle",
                    ],
                    text: categories[category]))
        }
        if let bound, let y = frame.y.position(bound.value) {
            parts.append(
                Markup(
                    "line",
                    ["class": "bound", "x1": frame.left, "y1": y, "x2": frame.right, "y2": y]
                ))
            parts.append(
                Markup(
                    "text",
                    ["class": "mark-label", "x": frame.right, "y": y - 5, "text-anchor": "end"],
                    text: bound.label))
        }
        return frame.drawing(id: id, title: title, description: description, parts)
    }

    /// Every one where there is room, else every second or third, and the last in any case.
    private func isLabelled(_ category: Int, room: Double) -> Bool {
        let longest = Double(categories.map(\.count).max() ?? 0) + 1
        let interval = max(
            1, Int(saturating: (longest * PlotFrame.characterWidth / room).rounded(.up)))
        return (categories.count - 1 - category) % interval == 0
    }

    private func bar(
        _ category: Int, middle: Double, width: Double, in frame: PlotFrame
    ) -> [Markup] {
        var parts: [Markup] = []
        var sum = 0.0
        let total = yAxis.format.text(totals[category])
        for (index, layer) in layers.enumerated() {
            let value = Self.height(layer.values[category])
            guard value > 0, let low = frame.y.position(sum),
                let high = frame.y.position(sum + value)
            else { continue }
            sum += value
            var tip = "\(layer.name): \(yAxis.format.text(value))"
            tip += "\n\(categories[category]) \(xAxisTitle), \(total) in all"
            if category < notes.count, let note = notes[category] { tip += "\n\(note)" }
            parts.append(
                Markup(
                    "rect",
                    [
                        "class": "layer \(layer.style)", "x": middle - width / 2, "y": high,
                        "width": width, "height": max(low - high, 0.5),
                    ], [Markup("title", text: tip)]))
            if low - high >= 13, width >= 14 {
                parts.append(
                    Markup(
                        "text",
                        [
                            "class": "letter", "x": middle, "y": (low + high) / 2 + 4,
                            "text-anchor": "middle",
                        ], text: Self.letter(index)))
            }
        }
        return parts
    }
}
