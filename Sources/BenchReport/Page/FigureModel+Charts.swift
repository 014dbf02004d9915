// Charts become figures: drawn for wide and narrow screens, with a legend and a note.

extension FigureModel {
    init(_ chart: LineChart, key: String, note: String? = nil) {
        self.init(
            key: key, caption: chart.title, note: note,
            wideSVG: chart.drawing(id: "\(key)-wide", .wide),
            narrowSVG: chart.drawing(id: "\(key)-narrow", .narrow))
    }

    /// - Parameter legendTitle: says what the amounts in the legend are, those of the last bar.
    init(_ chart: StackChart, key: String, legendTitle: String, note: String? = nil) {
        self.init(
            key: key, caption: chart.title, note: note,
            wideSVG: chart.drawing(id: "\(key)-wide", .wide),
            narrowSVG: chart.drawing(id: "\(key)-narrow", .narrow), legendTitle: legendTitle)
        // As the bar has them: the top first.
        legend = chart.layers.enumerated().reversed().map { index, layer in
            let amount = (layer.values.last ?? nil).map { chart.yAxis.format.text($0) }
            return LegendModel(
                letter: StackChart.letter(index), swatch: layer.style, label: layer.name,
                amount: amount ?? NumberText.missing)
        }
    }

    init(_ chart: DotChart, key: String) {
        self.init(
            key: key, caption: chart.title, subtitle: chart.subtitle,
            wideSVG: chart.drawing(id: key),
            narrowSVG: nil)
    }
}
