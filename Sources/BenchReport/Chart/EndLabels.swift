// Names at the ends of lines, moved apart where they would overlap.

struct EndLabels {
    /// Pixels from line to line.
    static let spacing = 14.0

    /// Places near the wanted ones, in the same order, `spacing` apart where there is room.
    static func spread(_ wanted: [Double], from top: Double, to bottom: Double) -> [Double] {
        guard wanted.count > 1 else { return wanted.map { min(max($0, top), bottom) } }
        let spacing = min(Self.spacing, (bottom - top) / Double(wanted.count - 1))
        let order = wanted.indices.sorted { (wanted[$0], $0) < (wanted[$1], $1) }
        var places = order.map { wanted[$0] }
        for index in places.indices {
            let least = index == 0 ? top : places[index - 1] + spacing
            places[index] = max(places[index], least)
        }
        for index in places.indices.reversed() {
            let most = index == places.count - 1 ? bottom : places[index + 1] - spacing
            places[index] = min(places[index], most)
        }
        var spread = wanted
        for (position, index) in order.enumerated() { spread[index] = places[position] }
        return spread
    }
}
