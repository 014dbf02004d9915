// The JSON result: its place is tried before the run, its content appears whole or not at all.

import ConnectionBench
import FoundationEssentials
import Glibc

struct ResultFile {
    private let path: String
    /// Written first and renamed then, so that a reader never sees half a result.
    private let temporary: String

    struct WriteError: Error, CustomStringConvertible {
        let path: String
        let code: CInt

        var description: String {
            "--json \(path): \(String(cString: strerror(code))); name a file in a directory that"
                + " can be written"
        }
    }

    /// - Parameter path: `-` is standard output.
    /// - Throws: when the file cannot be written.
    init(_ path: String) throws(WriteError) {
        self.path = path
        temporary = "\(path).\(getpid()).partial"
        guard path != "-" else { return }
        var status = stat()
        if stat(path, &status) == 0 {
            if status.st_mode & S_IFMT == S_IFDIR { throw WriteError(path: path, code: EISDIR) }
            if access(path, W_OK) != 0 { throw WriteError(path: path, code: errno) }
        }
        let fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        if fd < 0 { throw WriteError(path: path, code: errno) }
        Glibc.close(fd)
    }

    /// Removes the trial file of a run that did not begin.
    func discard() {
        if path != "-" { unlink(temporary) }
    }

    func write(_ result: RunResult) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        var bytes = [UInt8](try encoder.encode(result))
        bytes.append(UInt8(ascii: "\n"))
        if path == "-" { return try put(bytes, STDOUT_FILENO) }
        let fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        if fd < 0 { throw WriteError(path: path, code: errno) }
        defer { Glibc.close(fd) }
        try put(bytes, fd)
        if fsync(fd) != 0 { throw WriteError(path: path, code: errno) }
        if rename(temporary, path) != 0 { throw WriteError(path: path, code: errno) }
    }

    private func put(_ bytes: [UInt8], _ fd: CInt) throws(WriteError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(fd, $0.baseAddress!, $0.count) }
            if written < 0 && errno == EINTR { continue }
            if written <= 0 { throw WriteError(path: path, code: errno) }
            rest = rest.dropFirst(written)
        }
    }
}
