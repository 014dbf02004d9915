// Facts of the host as files below a root, each of which may be unreadable.

import Glibc

/// Reads one-value files below `root`, so that tests can offer a machine made of fixtures.
///
/// Every reader answers `nil` for a file that is missing, unreadable or malformed: such a fact is
/// unknown, and a result without it is still a result.
struct HostFiles {
    /// Empty for the real machine, else a directory without a slash at its end.
    let root: String
    /// By path, in place of all files: a machine that is nowhere on a disk.
    private let texts: [String: String]?

    init(root: String) {
        self.root = root
        texts = nil
    }

    /// - Parameter texts: the content of each file by its path, which begins with a slash.
    init(texts: [String: String]) {
        root = "/made-up"
        self.texts = texts
    }

    func read(_ path: String) throws(FileError) -> String {
        guard let texts else { return try TextFile.read(root + path) }
        guard let text = texts[path] else { throw FileError(path: root + path, errno: ENOENT) }
        return text
    }

    func text(_ path: String) -> String? {
        do {
            return try read(path)
        } catch {
            return nil
        }
    }

    /// The content without white space at its ends; it may be empty.
    func value(_ path: String) -> String? { text(path).map { String(TextFile.trimmed($0[...])) } }

    func integer(_ path: String) -> Int? { value(path).flatMap { Int($0) } }

    /// A row of numbers separated by tabs or spaces; `nil` unless there are `count` of them.
    func integers(_ path: String, count: Int) -> [Int]? {
        guard let columns = value(path)?.split(whereSeparator: \.isWhitespace) else { return nil }
        let numbers = columns.compactMap { Int($0) }
        return numbers.count == count && columns.count == count ? numbers : nil
    }

    func lines(_ path: String) -> KeyedLines? { text(path).map { KeyedLines($0, path: path) } }

    func exists(_ path: String) -> Bool {
        texts.map { $0[path] != nil } ?? TextFile.exists(root + path)
    }

    func names(in path: String) -> [String]? {
        if let texts {
            let below = texts.keys.filter { $0.hasPrefix(path + "/") }.map {
                String($0.dropFirst(path.count + 1).prefix { $0 != "/" })
            }
            return below.isEmpty ? nil : Set(below).sorted()
        }
        do {
            return try TextFile.names(in: root + path)
        } catch {
            return nil
        }
    }
}
