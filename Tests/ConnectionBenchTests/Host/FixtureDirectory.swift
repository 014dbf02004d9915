// A directory of made-up files that stands in for the root of a machine.

import Glibc
import Testing

/// Removes what it made when it goes away.
final class FixtureDirectory {
    let path: String
    private var created: [String] = []

    init() throws {
        var template = Array("/tmp/connection-bench-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template)).withMemoryRebound(to: CChar.self, capacity: 1) {
            String(cString: $0)
        }
    }

    convenience init(_ files: [String: String]) throws {
        try self.init()
        for (name, content) in files { try add(name, content) }
    }

    deinit {
        for name in created.reversed() { _ = remove(name) }
        _ = rmdir(path)
    }

    /// Writes a file; `name` begins with a slash and may name new directories.
    func add(_ name: String, _ content: String) throws {
        var directory = path
        for part in name.split(separator: "/").dropLast() {
            directory += "/\(part)"
            if mkdir(directory, 0o755) == 0 { created.append(directory) }
        }
        let file = path + name
        let fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        try #require(fd >= 0)
        defer { _ = close(fd) }
        let bytes = Array(content.utf8)
        try #require(write(fd, bytes, bytes.count) == bytes.count)
        created.append(file)
    }
}
