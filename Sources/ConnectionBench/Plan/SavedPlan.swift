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

    init(path: String, text: String) throws(SavedPlanError) {
        self.path = path
        var lines: [Line] = []
        // Of a file from Windows the two bytes that end a line are one character.
        let ends: [Character] = ["\n", "\r\n"]
        for (index, line) in text.split(
            omittingEmptySubsequences: false, whereSeparator: { ends.contains($0) }
        ).enumerated() {
            guard
                let arguments = try SavedPlan.arguments(
                    SavedPlan.withoutComment(line), at: "\(path):\(index + 1)")
            else { continue }
            lines.append(Line(number: index + 1, arguments: arguments))
        }
        self.lines = lines
    }

    /// A comment begins the line, or follows a space: values may contain the sign.
    private static func withoutComment(_ line: Substring) -> Substring {
        let start = line.indices.first { index in
            line[index] == "#"
                && (index == line.startIndex || line[line.index(before: index)].isWhitespace)
        }
        return start.map { line[..<$0] } ?? line
    }

    /// `--conns 500k`; a value may have spaces in it, with or without quotes around it.
    private static func arguments(
        _ line: Substring, at place: String
    ) throws(SavedPlanError) -> [String]? {
        let words = line.split(maxSplits: 1, whereSeparator: \.isWhitespace)
        guard let option = words.first else { return nil }
        guard option.hasPrefix("-"), option != "-", option != "--" else {
            throw SavedPlanError(
                description: "\(place): '\(option)' is no option; lines are like --conns 500k, and"
                    + " comments begin with #")
        }
        if option == "--plan" || option.hasPrefix("--plan=") {
            throw SavedPlanError(description: "\(place): a plan cannot name another plan")
        }
        guard words.count == 2 else { return [String(option)] }
        var value = words[1].drop(while: \.isWhitespace)
        while value.last?.isWhitespace == true { value.removeLast() }
        if value.count >= 2, value.hasPrefix("\""), value.hasSuffix("\"") {
            value = value.dropFirst().dropLast()
        }
        return value.isEmpty ? [String(option)] : [String(option), String(value)]
    }
}
