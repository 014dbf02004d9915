// Text for people in lines of 80 columns.

struct TextPage {
    private static let columns = 80
    private(set) var text = ""

    mutating func blank() { text += "\n" }

    mutating func paragraph(_ words: String) { add(words, first: "", rest: "") }

    mutating func heading(_ title: String) { text += "\n\(title)\n" }

    mutating func item(_ words: String) { add(words, first: "  - ", rest: "    ") }

    /// `  name          value`.
    mutating func row(_ name: String, _ value: String) {
        let first = "  " + name.padded(to: 14) + "  "
        add(value, first: first, rest: String(repeating: " ", count: first.count))
    }

    /// A number to the right, what it counts, and lines about it below.
    mutating func figure(_ number: String, _ title: String, details: [String]) {
        let margin = String(repeating: " ", count: max(0, 13 - number.count))
        add(title, first: "\(margin)\(number)  ", rest: String(repeating: " ", count: 15))
        let indent = String(repeating: " ", count: 15)
        for detail in details { add(detail, first: indent, rest: indent + "  ") }
    }

    /// Breaks between words; a word longer than a line stays whole.
    private mutating func add(_ words: String, first: String, rest: String) {
        var line = first
        var isEmpty = true
        for word in words.split(separator: " ") {
            if !isEmpty, line.count + 1 + word.count > Self.columns {
                text += line + "\n"
                line = rest
                isEmpty = true
            }
            line += (isEmpty ? "" : " ") + word
            isEmpty = false
        }
        text += line + "\n"
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
