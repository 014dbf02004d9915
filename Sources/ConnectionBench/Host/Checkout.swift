// Which commit a git checkout is at, and was at.

import FoundationEssentials
import Glibc

/// A git checkout, as far as its files tell without git.
public struct Checkout {
    private let git: String

    /// - Returns: `nil` when the folder is no checkout.
    public init?(folder: String) {
        var status = stat()
        guard stat("\(folder)/.git", &status) == 0 else { return nil }
        if status.st_mode & S_IFMT == S_IFDIR {
            git = "\(folder)/.git"
        } else if let line = Self.lines("\(folder)/.git").first, line.hasPrefix("gitdir: ") {
            // A further worktree of a repository.
            let target = String(line.dropFirst(8))
            git = target.hasPrefix("/") ? target : "\(folder)/\(target)"
        } else {
            return nil
        }
    }

    /// The commit that was checked out at a time, in seconds since 1970, by the log of moves; where
    /// there is none, the present one.
    public func commit(at time: Int) -> String? {
        let moves = Self.lines("\(git)/logs/HEAD").compactMap { Self.move($0) }
        if let move = moves.last(where: { $0.time <= time }) { return move.commit }
        if let first = moves.first, first.time > time { return nil }
        return head
    }

    /// From a line `<old> <new> <name> <mail> <seconds> <zone>\t<reason>`.
    static func move(_ line: String) -> (time: Int, commit: String)? {
        let words = (line.split(separator: "\t").first ?? "").split(separator: " ")
        guard words.count >= 5, let time = Int(words[words.count - 2]), words[1].count >= 40
        else { return nil }
        return (time, String(words[1]))
    }

    private var head: String? {
        guard let head = Self.lines("\(git)/HEAD").first else { return nil }
        guard head.hasPrefix("ref: ") else { return head }
        let name = String(head.dropFirst(5))
        if let commit = Self.lines("\(git)/\(name)").first { return commit }
        return Self.lines("\(git)/packed-refs").first { $0.hasSuffix(" \(name)") }
            .map { String($0.prefix { $0 != " " }) }
    }

    private static func lines(_ path: String) -> [String] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
        return text.split(separator: "\n").map(String.init)
    }
}
