// Words in lines of a given width.

enum TextLayout {
    /// Breaks at spaces, and a word that is longer than a line, such as the path of a control group,
    /// where the line is full.
    static func wrap(_ text: String, first: String, rest: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = first
        var isEmpty = true
        for var word in text.split(separator: " ") {
            if !isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                line = rest
                isEmpty = true
            }
            while isEmpty, line.count < width, line.count + word.count > width {
                let room = width - line.count
                lines.append(line + word.prefix(room))
                word = word.dropFirst(room)
                line = rest
            }
            line += isEmpty ? String(word) : " \(word)"
            isEmpty = false
        }
        return lines + [line]
    }

    static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    static func padLeft(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}

/// Rows of cells under one another: the first column to the left, the others to the right.
enum TextGrid {
    static func lines(_ rows: [[String]], gap: String = "  ") -> [String] {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                column == 0
                    ? TextLayout.pad(cell, widths[0]) : TextLayout.padLeft(cell, widths[column])
            }
            var line = cells.joined(separator: gap)
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
