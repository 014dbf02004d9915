// A file of /proc that is read again and again: opened once, read with one call.

import Glibc

/// Reads the same file from its beginning each time. One thread at a time.
final class ProcFile {
    let path: String
    private let fd: CInt
    private var buffer: [UInt8]

    /// `nil` when it cannot be opened: such a figure is unknown.
    ///
    /// - Parameter bytesMax: a longer file is cut off, so it must be more than the file ever has.
    init?(_ path: String, bytesMax: Int = 4_096) {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return nil }
        self.path = path
        self.fd = fd
        buffer = Array(repeating: 0, count: bytesMax)
    }

    deinit {
        close(fd)
    }

    /// The content; `nil` when it could not be read this time.
    func read() -> String? {
        while true {
            let count = buffer.withUnsafeMutableBytes { pread(fd, $0.baseAddress!, $0.count, 0) }
            if count < 0 && errno == EINTR { continue }
            return count >= 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
        }
    }

    func integer() -> Int? {
        read().flatMap { Int(TextFile.trimmed($0[...])) }
    }
}
