// A saved plan: options of a run in a file, one on a line.

/// Why a file is no plan; begins with the file, and the line where there is one.
public struct SavedPlanError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
}

public struct SavedPlan: Sendable {
    public struct Line: Hashable, Sendable {
        /// From 1 on.
        public let number: Int
        public let arguments: [String]
    }

    public let path: String
    public let lines: [Line]

    public var arguments: [String] { lines.flatMap(\.arguments) }

    public init(path: String) throws(SavedPlanError) {
        let text: String
        do {
            text = try TextFile.read(path)
        } catch {
            throw SavedPlanError(description: "\(error)")
        }
        try self.init(path: path, text: text)
    }

    /// Looks at Unicode scalars: with a mark behind it a space or a quote is another character.
    init(path: String, text: String) throws(SavedPlanError) {
        self.path = path
        var lines: [Line] = []
        for (index, line) in text.unicodeScalars.split(
            separator: "\n", omittingEmptySubsequences: false
        ).enumerated() {
            guard
                let arguments = try SavedPlan.arguments(
                    SavedPlan.withoutComment(line), at: "\(path):\(index + 1)")
            else { continue }
            lines.append(Line(number: index + 1, arguments: arguments))
        }
        self.lines = lines
    }

    private typealias Scalars = Substring.UnicodeScalarView

    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.isWhitespace }

    /// A comment begins the line, or follows a space: values may contain the sign.
    private static func withoutComment(_ line: Scalars) -> Scalars {
        let start = line.indices.first { index in
            line[index] == "#"
                && (index == line.startIndex || isSpace(line[line.index(before: index)]))
        }
        return start.map { line[..<$0] } ?? line
    }

    /// `--conns 500k`; a value may have spaces in it, with or without quotes around it.
    private static func arguments(
        _ line: Scalars, at place: String
    ) throws(SavedPlanError) -> [String]? {
        let words = line.split(maxSplits: 1, whereSeparator: isSpace)
        guard let option = words.first.map({ String($0) }) else { return nil }
        guard option.hasPrefix("-"), option != "-", option != "--" else {
            throw SavedPlanError(
                description: "\(place): '\(option)' is no option; lines are like --conns 500k, and"
                    + " comments begin with #")
        }
        if option == "--plan" || option.hasPrefix("--plan=") {
            throw SavedPlanError(description: "\(place): a plan cannot name another plan")
        }
        guard words.count == 2 else { return [option] }
        var value = words[1].drop(while: isSpace)
        while value.last.map(isSpace) == true { value.removeLast() }
        if value.count >= 2, value.first == "\"", value.last == "\"" {
            value = value.dropFirst().dropLast()
        }
        return value.isEmpty ? [option] : [option, String(value)]
    }
}
