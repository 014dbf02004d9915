// `.md`: the table of a run for a pull request or a page.

struct ResultMarkdown {
    private let result: RunResult

    init(_ result: RunResult) {
        self.result = result
    }

    var text: String {
        let table = ResultTable(result)
        var lines = ["## \(escaped(table.verdict))", ""]
        lines += table.heading.map { escaped($0) + "  " } + [""]
        lines += MarkdownTable.lines(table.cells) + [""]
        let notes = table.notes
        lines += notes.map { "- \(escaped($0.trimmingPrefix(while: { $0 == " " || $0 == "-" })))" }
        if !notes.isEmpty { lines.append("") }
        return lines.joined(separator: "\n")
    }

    private func escaped(_ text: some StringProtocol) -> String { MarkdownTable.escaped(text) }
}

enum MarkdownTable {
    /// - Parameter cells: the heading first; the first column is the key, all others are figures.
    static func lines(_ cells: [[String]]) -> [String] {
        guard let head = cells.first else { return [] }
        let rule = head.map { _ in "---:" }
        return
            ([head.map { escaped($0) }, rule] + cells.dropFirst().map { $0.map { escaped($0) } })
            .map { "| \($0.joined(separator: " | ")) |" }
    }

    /// So that kernel names and sysctls stay what they are.
    static func escaped(_ text: some StringProtocol) -> String {
        text.reduce(into: "") { result, character in
            if "\\`*_|<>[]#~".contains(character) { result.append("\\") }
            result.append(character)
        }
    }
}
