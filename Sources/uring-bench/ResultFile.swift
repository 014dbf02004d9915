// A file of results: its place is tried before the run, its content appears whole or not at all.

import Glibc

struct ResultFile {
    /// What is written in the end: the target of a symbolic link.
    let path: String
    /// The option that named it, for messages.
    private let option: String
    /// Written first and renamed then, so that a reader never sees half a result; `nil` where the
    /// path is written to directly: standard output, a pipe or a device.
    private let temporary: String?

    struct WriteError: Error, CustomStringConvertible {
        let option: String
        let path: String
        let code: CInt

        var description: String {
            let remedy =
                [ENOSPC, EDQUOT].contains(code)
                ? "make room there, or name a file on another disk"
                : "name a file in a directory that can be written"
            return "\(option) \(path): \(String(cString: strerror(code))); \(remedy)"
        }
    }

    /// - Parameter path: `-` is standard output.
    /// - Throws: when the file cannot be written.
    init(_ path: String, option: String) throws(WriteError) {
        self.option = option
        // A symbolic link stays one: what it names is replaced.
        let target = realpath(path, nil)
        defer { free(target) }
        self.path = target.map { String(cString: $0) } ?? path
        var status = stat()
        let exists = stat(path, &status) == 0
        let isRegular = !exists || status.st_mode & S_IFMT == S_IFREG
        temporary = path == "-" || !isRegular ? nil : "\(self.path).\(getpid()).partial"
        guard path != "-" else { return }
        if exists {
            if status.st_mode & S_IFMT == S_IFDIR { throw failure(EISDIR, path) }
            if access(path, W_OK) != 0 { throw failure(errno, path) }
        }
        if let temporary { Glibc.close(try create(temporary)) }
    }

    private func failure(_ code: CInt, _ path: String? = nil) -> WriteError {
        WriteError(option: option, path: path ?? self.path, code: code)
    }

    private func create(_ name: String) throws(WriteError) -> CInt {
        let fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        if fd < 0 { throw failure(errno) }
        return fd
    }

    /// Removes the trial file of a run that did not begin.
    func discard() {
        if let temporary { unlink(temporary) }
    }

    /// - Throws: then the file is as it was before.
    func write(_ text: String) throws(WriteError) {
        let bytes = Array(text.utf8)
        if path == "-" { return try put(bytes, STDOUT_FILENO) }
        let fd = try create(temporary ?? path)
        defer { Glibc.close(fd) }
        do throws(WriteError) {
            try put(bytes, fd)
            guard let temporary else { return }
            if fsync(fd) != 0 { throw failure(errno) }
            if rename(temporary, path) != 0 { throw failure(errno) }
        } catch {
            discard()
            throw error
        }
    }

    private func put(_ bytes: [UInt8], _ fd: CInt) throws(WriteError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(fd, $0.baseAddress!, $0.count) }
            if written < 0 && errno == EINTR { continue }
            if written <= 0 { throw failure(errno) }
            rest = rest.dropFirst(written)
        }
    }
}
