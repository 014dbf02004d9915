// A text of `Key: value` lines, as in /proc/meminfo, /proc/<pid>/status and smaps_rollup.

/// Looks values up by scanning; nothing is built, since a caller wants a few of many lines.
struct KeyedLines {
    let path: String
    private let text: String

    init(_ text: String, path: String) {
        self.text = text
        self.path = path
    }

    /// The value of the first line with this key, without white space around it.
    subscript(key: String) -> Substring? {
        let bytes = text.utf8
        let colon = UInt8(ascii: ":")
        var start = bytes.startIndex
        while start < bytes.endIndex {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
            let line = bytes[start..<end]
            if line.starts(with: key.utf8) {
                // /proc/cpuinfo pads its keys with tabs before the colon.
                let rest = line.dropFirst(key.utf8.count)
                    .drop { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }
                if rest.first == colon { return TextFile.trimmed(Substring(rest.dropFirst())) }
            }
            start = end < bytes.endIndex ? bytes.index(after: end) : end
        }
        return nil
    }

    /// A line such as `MemTotal: 24684084 kB`, in bytes. The kernel's kB are KiB.
    func kibibytes(_ key: String) throws(FileError) -> Int {
        guard let bytes = kibibytesIfPresent(key) else {
            throw FileError(path: path, expected: "a line '\(key): <number> kB'")
        }
        return bytes
    }

    func kibibytesIfPresent(_ key: String) -> Int? {
        guard let value = self[key], value.hasSuffix(" kB"),
            let count = Int(TextFile.trimmed(value.dropLast(3)))
        else { return nil }
        return KeyedLines.bytes(kibibytes: count)
    }

    /// `nil`: no memory has so many bytes, so the text is none of the kernel's.
    static func bytes(kibibytes count: Int) -> Int? {
        0...(1 << 50) ~= count ? count * 1_024 : nil
    }

    func integer(_ key: String) throws(FileError) -> Int {
        guard let value = self[key], let number = Int(value) else {
            throw FileError(path: path, expected: "a line '\(key): <number>'")
        }
        return number
    }
}
