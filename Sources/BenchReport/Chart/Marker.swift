// The small shapes of data points: series differ by shape too, not by colour alone.

enum Marker: Int, CaseIterable {
    case circle, square, triangle, diamond

    /// The shape of the n-th series.
    init(_ index: Int) {
        self = Marker.allCases[index % Marker.allCases.count]
    }

    /// - Parameter tip: what is said of the point, by the script or by the browser itself.
    func drawing(x: Double, y: Double, radius: Double, style: String, tip: String) -> Markup {
        let title = tip.isEmpty ? [] : [Markup("title", text: tip)]
        switch self {
        case .circle:
            return Markup("circle", ["class": style, "cx": x, "cy": y, "r": radius], title)
        case .square:
            let side = radius * 1.8
            return Markup(
                "rect",
                [
                    "class": style, "x": x - side / 2, "y": y - side / 2, "width": side,
                    "height": side,
                ], title)
        case .triangle:
            return polygon(
                [
                    (x, y - radius * 1.25), (x + radius * 1.15, y + radius * 0.8),
                    (x - radius * 1.15, y + radius * 0.8),
                ], style, title)
        case .diamond:
            return polygon(
                [
                    (x, y - radius * 1.3), (x + radius * 1.3, y), (x, y + radius * 1.3),
                    (x - radius * 1.3, y),
                ], style, title)
        }
    }

    private func polygon(
        _ corners: [(x: Double, y: Double)], _ style: String, _ title: [Markup]
    ) -> Markup {
        Markup("polygon", ["class": style, "points": Self.points(corners)], title)
    }

    static func points(_ corners: [(x: Double, y: Double)]) -> String {
        corners.map { "\(NumberText.plain($0.x)),\(NumberText.plain($0.y))" }
            .joined(separator: " ")
    }
}
