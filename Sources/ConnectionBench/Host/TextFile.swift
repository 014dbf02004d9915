// The kernel's text files (/proc, /sys), read whole, and the names in their directories.

import Glibc

/// Why a file of the kernel gave no value.
public struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Reason: Hashable, Sendable {
        /// `open`, `read` or `opendir` failed with this errno.
        case errno(CInt)
        /// The file was readable, but what the associated text names was not in it.
        case malformed(expected: String)
    }

    public let path: String
    public let reason: Reason

    public init(path: String, errno: CInt) {
        self.path = path
        self.reason = .errno(errno)
    }

    init(path: String, expected: String) {
        self.path = path
        self.reason = .malformed(expected: expected)
    }

    /// True when the file, or the process it describes, does not exist (any more).
    public var isMissing: Bool { reason == .errno(ENOENT) || reason == .errno(ESRCH) }

    public var description: String {
        switch reason {
        case .errno(let code): "\(path): \(String(cString: strerror(code))) (errno \(code))"
        case .malformed(let expected): "\(path): expected \(expected), found something else"
        }
    }
}

enum TextFile {
    /// Bytes asked for per read(2). Larger than the files that are read often (meminfo: 1.5 kB), so
    /// that those come from one call and are consistent in themselves.
    private static let chunkBytes = 32_768

    /// Reads the whole file; bytes that are not UTF-8 become U+FFFD.
    ///
    /// Costs one open, two reads and a close: about 50 µs for /proc/meminfo.
    static func read(_ path: String) throws(FileError) -> String {
        var bytes: [UInt8] = []
        try readChunks(path) { chunk in
            bytes.append(contentsOf: chunk)
            return true
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads the lines at the head of a file, up to and with the first that `isWanted` refuses: for
    /// files such as /proc/net/tcp, of which the head is wanted and the rest may be 100 MB.
    static func readHead(
        _ path: String, while isWanted: (Substring) -> Bool
    ) throws(FileError) -> String {
        var bytes: [UInt8] = []
        var lineStart = 0
        try readChunks(path) { chunk in
            var scanned = bytes.count
            bytes.append(contentsOf: chunk)
            while let end = bytes[scanned...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: bytes[lineStart..<end], as: UTF8.self)
                scanned = end + 1
                lineStart = scanned
                guard isWanted(line[...]) else {
                    bytes.removeSubrange(lineStart...)
                    return false
                }
            }
            return true
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Hands out each line without its end, in memory that is valid during the call only: for files
    /// with a line for each of millions of sockets.
    static func forEachLine(
        _ path: String, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(FileError) {
        var rest: [UInt8] = []
        try readChunks(path) { chunk in
            var start = 0
            while let end = chunk[start...].firstIndex(of: UInt8(ascii: "\n")) {
                let part = UnsafeRawBufferPointer(rebasing: chunk[start..<end])
                if rest.isEmpty {
                    body(part)
                } else {
                    rest.append(contentsOf: part)
                    rest.withUnsafeBytes(body)
                    rest.removeAll(keepingCapacity: true)
                }
                start = end + 1
            }
            rest.append(contentsOf: chunk[start...])
            return true
        }
        if !rest.isEmpty { rest.withUnsafeBytes(body) }
    }

    /// Hands the file out in pieces until `body` returns false.
    private static func readChunks(
        _ path: String, _ body: (UnsafeRawBufferPointer) -> Bool
    ) throws(FileError) {
        let fd = retrying { open(path, O_RDONLY | O_CLOEXEC) }
        guard fd.value >= 0 else { throw FileError(path: path, errno: fd.code) }
        // The result of close is of no interest: nothing was written, and Linux frees the
        // descriptor in every case.
        defer { _ = close(CInt(fd.value)) }

        let failure = withUnsafeTemporaryAllocation(byteCount: chunkBytes, alignment: 16) {
            chunk -> CInt? in
            while true {
                let count = retrying { Glibc.read(CInt(fd.value), chunk.baseAddress, chunk.count) }
                guard count.value >= 0 else { return count.code }
                guard count.value > 0 else { return nil }
                guard body(UnsafeRawBufferPointer(rebasing: chunk[..<count.value])) else {
                    return nil
                }
            }
        }
        if let failure { throw FileError(path: path, errno: failure) }
    }

    /// As `read`, without white space at both ends: for the one-value files of /proc/sys and /sys.
    static func readValue(_ path: String) throws(FileError) -> String {
        String(trimmed(try read(path)[...]))
    }

    /// True when the path exists, readable or not.
    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The names in a directory, without `.` and `..`, in the kernel's order.
    static func names(in path: String) throws(FileError) -> [String] {
        guard let directory = opendir(path) else { throw FileError(path: path, errno: errno) }
        defer { closedir(directory) }
        let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name)!

        var names: [String] = []
        while true {
            // readdir tells its end from an error only through errno.
            errno = 0
            guard let entry = readdir(directory) else {
                let code = errno
                guard code == 0 else { throw FileError(path: path, errno: code) }
                return names
            }
            // The record is shorter than `dirent`, so it is read in place and never copied.
            let name = UnsafeRawPointer(entry).advanced(by: nameOffset)
            names.append(String(cString: name.assumingMemoryBound(to: CChar.self)))
            if names.last == "." || names.last == ".." { names.removeLast() }
        }
    }

    static func trimmed(_ text: Substring) -> Substring {
        var rest = text
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return rest
    }

    /// Repeats a call while a signal interrupts it; `code` is errno where the value is negative.
    private static func retrying(_ call: () -> some BinaryInteger) -> (value: Int, code: CInt) {
        while true {
            let value = Int(call())
            let code = errno
            guard value < 0, code == EINTR else { return (value, code) }
        }
    }
}
