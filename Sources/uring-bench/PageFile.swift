// The HTML page: its file appears whole or not at all.

import Glibc

struct PageFile {
    private let path: String

    struct WriteError: Error, CustomStringConvertible {
        let path: String
        let code: CInt

        var description: String {
            "--output \(path): \(String(cString: strerror(code))); name a file in a directory that"
                + " can be written"
        }
    }

    /// - Parameter path: `-` is standard output.
    init(_ path: String) {
        self.path = path
    }

    /// - Throws: when it could not be written; a file of that name is then as it was before.
    func write(_ html: String) throws(WriteError) {
        if path == "-" { return try put(html, STDOUT_FILENO) }
        var status = stat()
        let exists = stat(path, &status) == 0
        if exists, status.st_mode & S_IFMT == S_IFDIR { throw WriteError(path: path, code: EISDIR) }
        if exists, access(path, W_OK) != 0 { throw WriteError(path: path, code: errno) }
        // A pipe or a device is written to as it is, and a symbolic link stays one.
        guard !exists || status.st_mode & S_IFMT == S_IFREG else {
            let fd = try create(path)
            defer { close(fd) }
            return try put(html, fd)
        }
        let resolved = realpath(path, nil)
        defer { free(resolved) }
        let target = resolved.map { String(cString: $0) } ?? path
        let temporary = "\(target).\(getpid()).partial"
        let fd = try create(temporary)
        defer { close(fd) }
        do throws(WriteError) {
            try put(html, fd)
            if rename(temporary, target) != 0 { throw WriteError(path: path, code: errno) }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    private func create(_ name: String) throws(WriteError) -> CInt {
        let fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        if fd < 0 { throw WriteError(path: path, code: errno) }
        return fd
    }

    private func put(_ text: String, _ fd: CInt) throws(WriteError) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(fd, $0.baseAddress!, $0.count) }
            if written < 0 && errno == EINTR { continue }
            if written <= 0 { throw WriteError(path: path, code: errno) }
            rest = rest.dropFirst(written)
        }
    }
}
