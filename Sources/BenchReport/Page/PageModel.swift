// What the page's template is filled with. Only names that end in SVG contain markup.
//
// The template looks a name up in the enclosing values too where it finds nothing, so no name that
// can be `nil` stands in two of them; and it sees stored properties only.

struct PageModel {
    var title: String
    var styleSheet: String
    var script: String
    var headline: [HeadlineModel]
    /// What has to be known before the charts are read.
    var cautions: [String]
    var sections: [SectionModel]
    var madeBy: String
}

/// The answer, with its status.
struct HeadlineModel {
    var badge: String
    /// `good`, `wall`, `bad` or `info`.
    var badgeStyle: String
    var sentence: String
    /// Further answers, one for each comparison.
    var points: [String] = []
    var origin: String
    var verdicts: [VerdictModel]
}

/// What stopped or slowed a run.
struct VerdictModel {
    var lead: String
    var proof: [String]
    var remedy: String?
    /// The part of the remedy that can be pasted into a shell.
    var remedyCommand: String?
}

struct SectionModel {
    var anchor: String
    var heading: String
    /// `split`: the words beside the figure, where there is room and only one figure.
    var layout = ""
    var paragraphs: [String] = []
    var figures: [FigureModel] = []
    /// `figures`, or `panels`: three small ones in a row instead of two large.
    var gridStyle = "figures"
    var listings: [ListingModel] = []
    var alerts: [AlertModel] = []
    var commands: [CommandModel] = []
    var tables: [TableModel] = []

    var isEmpty: Bool {
        figures.isEmpty && listings.isEmpty && alerts.isEmpty && commands.isEmpty && tables.isEmpty
            && paragraphs.isEmpty
    }
}

struct FigureModel {
    var key: String
    var caption: String
    var subtitle: String?
    var note: String?
    var wideSVG: String
    /// `nil` where one drawing suits all screens.
    var narrowSVG: String?
    var legendTitle: String?
    var legend: [LegendModel] = []
}

struct LegendModel {
    var letter: String
    var swatch: String
    var label: String
    var amount: String
}

/// Names with values.
struct ListingModel {
    var listingTitle: String
    var entries: [EntryModel]
}

struct EntryModel {
    var term: String
    var detail: String
}

struct AlertModel {
    var code: String
    var message: String
    var advice: String?
    /// The results that have it, where there are several.
    var concerns: String?
}

struct CommandModel {
    var commandTitle: String
    var command: String
}

struct TableModel {
    var tableTitle: String
    /// Closed at first.
    var isFolded = false
    var head: [CellModel]
    var rows: [RowModel]
}

struct RowModel {
    var rowStyle = ""
    var cells: [CellModel]
}

struct CellModel {
    var text: String
    /// `text`, `number` or `plot`.
    var cellStyle = "number"
    var isHeader = false
    var cellSVG = ""

    static func text(_ text: String) -> CellModel { CellModel(text: text, cellStyle: "text") }
    static func number(_ text: String) -> CellModel { CellModel(text: text) }
    static func name(_ text: String) -> CellModel {
        CellModel(text: text, cellStyle: "text", isHeader: true)
    }
}
