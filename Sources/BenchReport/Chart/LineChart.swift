// Lines through points, with bands for intervals and names at their ends.

struct LineChart {
    struct Point {
        var x: Double
        var y: Double
        /// Lowest and highest of several runs; `nil`: there was one.
        var band: ClosedRange<Double>?
        var tip: String
    }

    struct Series {
        var name: String
        /// Colour and shape.
        var style: Int
        /// 0 solid, 1 long dashes, 2 short ones.
        var dash = 0
        var points: [Point]
    }

    /// Something that happened at one place of x.
    struct Mark {
        var x: Double
        var label: String
        var tip: String
    }

    var title: String
    var description: String
    var xAxis: Axis
    var yAxis: Axis
    var series: [Series]
    var marks: [Mark] = []

    /// A point for every place where something can be shown.
    private var shown: [Series] {
        series.map { line in
            var line = line
            line.points.removeAll {
                !Scale.canShow($0.x, xAxis.kind) || !Scale.canShow($0.y, yAxis.kind)
            }
            return line
        }.filter { !$0.points.isEmpty }
    }

    /// Nothing can be drawn.
    var isEmpty: Bool { shown.isEmpty }

    func drawing(id: String, _ width: PlotWidth) -> String {
        let lines = shown
        let points = lines.flatMap(\.points)
        let labels = lines.count > 1 ? lines.map(\.name) : []
        let frame = PlotFrame(
            width, x: xAxis, points.map(\.x), y: yAxis,
            points.map(\.y)
                + points.flatMap { $0.band.map { [$0.lowerBound, $0.upperBound] } ?? [] },
            labelLength: labels.map(\.count).max() ?? 0)
        var parts = frame.axes()
        parts += marks.enumerated().flatMap { drawing($1, level: $0 % 3, in: frame) }
        parts += lines.compactMap { band($0, in: frame) }
        parts += lines.map { path($0, in: frame) }
        parts += lines.flatMap { markers($0, in: frame) }
        if !labels.isEmpty { parts += endLabels(lines, in: frame) }
        return frame.drawing(id: id, title: title, description: description, parts)
    }

    private func band(_ line: Series, in frame: PlotFrame) -> Markup? {
        var upper: [(x: Double, y: Double)] = []
        var lower: [(x: Double, y: Double)] = []
        for point in line.points {
            guard let band = point.band, let x = frame.x.position(point.x),
                let low = frame.y.position(band.lowerBound),
                let high = frame.y.position(band.upperBound)
            else { continue }
            upper.append((x, high))
            lower.append((x, low))
        }
        guard upper.count > 1 else { return nil }
        return Markup(
            "polygon",
            ["class": "band c\(line.style)", "points": Marker.points(upper + lower.reversed())])
    }

    private func path(_ line: Series, in frame: PlotFrame) -> Markup {
        let places = line.points.compactMap { point -> (x: Double, y: Double)? in
            guard let x = frame.x.position(point.x), let y = frame.y.position(point.y)
            else { return nil }
            return (x, y)
        }
        return Markup(
            "polyline",
            ["class": "line c\(line.style) d\(line.dash)", "points": Marker.points(places)])
    }

    private func markers(_ line: Series, in frame: PlotFrame) -> [Markup] {
        // Many points are a line already; the shapes are then there for the pointer only.
        let isDense = line.points.count > 20
        return line.points.flatMap { point -> [Markup] in
            guard let x = frame.x.position(point.x), let y = frame.y.position(point.y)
            else { return [] }
            var parts: [Markup] = []
            if line.points.count == 1, let band = point.band,
                let low = frame.y.position(band.lowerBound),
                let high = frame.y.position(band.upperBound)
            {
                parts.append(
                    Markup(
                        "line",
                        [
                            "class": "whisker c\(line.style)", "x1": x, "y1": low, "x2": x,
                            "y2": high,
                        ]
                    ))
            }
            let style = "point c\(line.style)" + (isDense ? " faint" : "")
            parts.append(
                Marker(line.style).drawing(
                    x: x, y: y, radius: isDense ? 3 : 4, style: style, tip: point.tip))
            return parts
        }
    }

    private func endLabels(_ lines: [Series], in frame: PlotFrame) -> [Markup] {
        let ends = lines.map { line in
            line.points.last.flatMap { point in
                frame.x.position(point.x).flatMap { x in
                    frame.y.position(point.y).map { (x: x, y: $0) }
                }
            } ?? (x: frame.right, y: frame.bottom)
        }
        let places = EndLabels.spread(
            ends.map { $0.y + 4 }, from: frame.top + 4, to: frame.bottom + 4)
        return lines.indices.flatMap { index -> [Markup] in
            let line = lines[index]
            let label = Markup(
                "text",
                ["class": "label c\(line.style)", "x": frame.right + 9, "y": places[index]],
                text: line.name)
            let isMoved =
                abs(places[index] - 4 - ends[index].y) > 3 || frame.right - ends[index].x > 8
            guard isMoved else { return [label] }
            let leader = Markup(
                "line",
                [
                    "class": "leader c\(line.style)", "x1": ends[index].x + 6,
                    "y1": ends[index].y, "x2": frame.right + 6, "y2": places[index] - 4,
                ])
            return [leader, label]
        }
    }

    /// - Parameter level: labels of neighbours stand at different heights.
    private func drawing(_ mark: Mark, level: Int, in frame: PlotFrame) -> [Markup] {
        guard let x = frame.x.position(mark.x) else { return [] }
        let y = frame.top + 14 * Double(level)
        return [
            Markup(
                "line", ["class": "mark", "x1": x, "y1": frame.top, "x2": x, "y2": frame.bottom]),
            Marker.diamond.drawing(
                x: x, y: y, radius: 4, style: "mark-point", tip: mark.tip),
            Markup("text", ["class": "mark-label", "x": x + 7, "y": y + 4], text: mark.label),
        ]
    }
}
