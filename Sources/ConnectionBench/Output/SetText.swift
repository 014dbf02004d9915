// Several runs in the forms that other programs read: each run with its candidate and its round.

/// A form that has no place for several runs.
public struct OneRunOnly: Error, CustomStringConvertible {
    let form: String

    public init(form: String) {
        self.form = form
    }

    public var description: String {
        "a .\(form) is of one run; several runs fit into .json, .html, .md, .csv, .ndjson or .hlog"
    }
}

extension ResultText {
    /// As of one run, with the columns `candidate` and `round` before the others.
    public static func csv(_ set: RunSet) -> String {
        (["candidate", "round"] + LongTable.columns).joined(separator: ",") + "\n"
            + set.runs.map {
                LongTable($0.result).text(prefix: [$0.candidate, "\($0.round)"])
            }.joined()
    }

    /// A line with the event `run` before the lines of each run.
    public static func ndjson(_ set: RunSet) throws -> String {
        try set.runs.map { run in
            let line = StreamLine.run(candidate: run.candidate, round: run.round)
            return try JSONText.line(line) + "\n" + ndjson(run.result)
        }.joined()
    }

    /// Tags such as `epoll-1-echo`; times are since the start of each run.
    public static func histogramLog(_ set: RunSet) -> String {
        guard let first = set.runs.first else { return "" }
        let lines = set.runs.flatMap { run in
            HistogramLog(run.result, tagPrefix: "\(run.candidate)-\(run.round)-").lines
        }
        return (HistogramLog(first.result).head + lines).joined(separator: "\n") + "\n"
    }

    /// The comparison as it stands on the screen, then a table for each run.
    public static func markdown(_ set: RunSet) -> String {
        let runs = set.runs.map { run in
            "# \(MarkdownTable.escaped(run.candidate)), round \(run.round)\n\n"
                + markdown(run.result)
        }
        return (["```\n\(SetTable(set).text)\n```\n"] + runs).joined(separator: "\n")
    }
}
