// A tree of SVG elements, escaped where it becomes text.

/// What may stand in an attribute: text, or a number of pixels.
protocol MarkupValue {
    var markupText: String { get }
}

extension String: MarkupValue {
    var markupText: String { self }
}

extension Double: MarkupValue {
    /// A tenth of a pixel is finer than any screen shows.
    var markupText: String { NumberText.plain(self) }
}

/// One element with its attributes, in their order, and what it contains.
struct Markup {
    private let name: String
    private let attributes: [(name: String, value: String)]
    private let text: String?
    private let children: [Markup]

    init(
        _ name: String, _ attributes: KeyValuePairs<String, any MarkupValue> = [:],
        text: String? = nil, _ children: [Markup] = []
    ) {
        self.name = name
        self.attributes = attributes.map { ($0.key, $0.value.markupText) }
        self.text = text
        self.children = children
    }

    var rendered: String {
        var output = ""
        render(into: &output)
        return output
    }

    private func render(into output: inout String) {
        output += "<\(name)"
        for attribute in attributes {
            output += " \(attribute.name)=\"\(Self.escape(attribute.value))\""
        }
        guard text != nil || !children.isEmpty else {
            output += "/>"
            return
        }
        output += ">"
        if let text { output += Self.escape(text) }
        for child in children { child.render(into: &output) }
        output += "</\(name)>"
    }

    /// Text that cannot become markup. Control characters, which no document may contain, go.
    static func escape(_ text: String) -> String {
        var escaped = ""
        escaped.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            case "\n", "\t": escaped.unicodeScalars.append(scalar)
            case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value): continue
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
