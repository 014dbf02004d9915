// Where the journals of sysctl changes lie: root's only, and one user of it at a time.

import FoundationEssentials
import Glibc

/// Holds the lock from its making to its end. Whoever else wants it waits; nobody keeps it long.
struct JournalDirectory: ~Copyable {
    let path: String
    private let fd: CInt

    /// - Parameter creates: make it when it is not there.
    /// - Returns: `nil` when it is not there: no process has changed anything.
    static func open(files: HostFiles, creates: Bool) throws(SysctlError) -> JournalDirectory? {
        // /run is emptied at each start of the machine, as are the values.
        let path = files.root + "/run/uring-bench"
        if creates, mkdir(path, 0o700) != 0, errno != EEXIST { throw failure(path, errno) }
        let fd = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard fd >= 0 else {
            let code = errno
            if code == ENOENT { return nil }
            if code == ENOTDIR || code == ELOOP { throw .unsafeDirectory(path: path) }
            throw failure(path, code)
        }
        let directory = JournalDirectory(path: path, fd: fd)
        var status = stat()
        guard fstat(fd, &status) == 0, status.st_uid == geteuid(), status.st_mode & 0o077 == 0
        else { throw .unsafeDirectory(path: path) }
        while flock(fd, LOCK_EX) != 0 {
            guard errno == EINTR else { throw failure(path, errno) }
        }
        return directory
    }

    private init(path: String, fd: CInt) {
        self.path = path
        self.fd = fd
    }

    deinit { close(fd) }

    private static func failure(_ path: String, _ code: CInt) -> SysctlError {
        code == EACCES || code == EPERM || code == EROFS && geteuid() != 0
            ? .notPrivileged(path: path) : .journal(FileError(path: path, errno: code))
    }

    /// Every journal that is there, whoever's it is.
    func journals() throws(SysctlError) -> [StoredJournal] {
        do {
            let names = try TextFile.names(in: path).filter { $0.hasSuffix(StoredJournal.suffix) }
            return try names.sorted().map { (name) throws(FileError) in
                try StoredJournal(path: "\(path)/\(name)")
            }
        } catch {
            throw .journal(error)
        }
    }

    /// A new or removed name is on the disk when this returns.
    func sync() throws(SysctlError) {
        guard fsync(fd) == 0 else { throw .journal(FileError(path: path, errno: errno)) }
    }

    func remove(_ journal: String) throws(SysctlError) {
        guard unlink(journal) == 0 || errno == ENOENT else {
            throw .journal(FileError(path: journal, errno: errno))
        }
        try sync()
    }
}

/// The first line of a journal: whose changes these are, and where they are valid.
struct JournalOwner: Codable, Hashable {
    let process: ProcessIdentity
    let command: String
    /// A restart of the machine undoes every change.
    let bootID: String?
    /// As /proc/self/ns names them. Values below `net.` belong to the former, and pids are counted
    /// anew in each of the latter.
    let networkNamespace: String?
    let processNamespace: String?

    init(process: ProcessIdentity, files: HostFiles) {
        self.process = process
        command = files.value("/proc/\(process.pid)/comm") ?? "unknown"
        bootID = files.value("/proc/sys/kernel/random/boot_id")
        networkNamespace = files.link("/proc/self/ns/net")
        processNamespace = files.link("/proc/self/ns/pid")
    }
}

/// A journal as it was found: JSON lines, the owner first and then a change each, oldest first.
struct StoredJournal {
    static let suffix = ".journal"

    let path: String
    /// `nil` when the process ended before its first line was whole: nothing was changed by then.
    let owner: JournalOwner?
    let changes: [SysctlChange]

    /// A last line without its end was not whole when its process ended, and its value was not yet
    /// written: it is left out.
    init(path: String) throws(FileError) {
        try self.init(path: path, text: TextFile.read(path))
    }

    init(path: String, text: String) throws(FileError) {
        self.path = path
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        let decoder = JSONDecoder()
        do {
            owner = try lines.popFirst().map {
                try decoder.decode(JournalOwner.self, from: Data($0.utf8))
            }
            changes = try lines.map {
                try decoder.decode(SysctlChange.self, from: Data($0.utf8))
            }
        } catch {
            throw FileError(path: path, expected: "lines of a journal of sysctl changes")
        }
    }

    static func line(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts and numbers only: encoding cannot fail.
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) + "\n" } ?? ""
    }
}
