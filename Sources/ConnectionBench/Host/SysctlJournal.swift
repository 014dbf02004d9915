// Sysctl changes that are always undone: at exit, or after a kill by `uring-bench restore`.

import Glibc

/// The changes of one process, each on the disk before it is made.
///
/// 1. A change is in the journal, and the journal on the disk, before its value is written. So
///    whenever the process ends, what it has written is known.
/// 2. Values are put back the newest first, and only where the present value is the one written.
/// 3. While a journal of another process exists, nothing is applied: of two processes that raise
///    the same value, the one that ends first would take it from under the other.
/// 4. A journal goes away when all of its values are dealt with, and stays when one could not be
///    written.
///
/// Not for use from two threads at a time.
public final class SysctlJournal {
    private let values: SysctlValues
    private let owner: JournalOwner
    private var applied: [SysctlChange] = []

    /// For this process and this machine.
    ///
    /// - Throws: when /proc does not show this process.
    public convenience init() throws(SysctlError) {
        let files = HostFiles(root: "")
        let process: ProcessIdentity
        do {
            process = try ProcessIdentity(pid: getpid(), files: files)
        } catch {
            throw .journal(error)
        }
        self.init(values: SysctlValues(files: files), process: process)
    }

    init(values: SysctlValues, process: ProcessIdentity) {
        self.values = values
        owner = JournalOwner(process: process, files: values.files)
    }

    /// What this process has changed and not put back, the oldest first.
    public var changes: [SysctlChange] { applied }

    /// Makes all of the changes or, when it throws, none that could be put back.
    ///
    /// A change whose value is already the new one is left out: it is not ours to undo.
    public func apply(_ changes: [SysctlChange]) throws(SysctlError) {
        guard let directory = try JournalDirectory.open(files: values.files, creates: true) else {
            throw .journal(FileError(path: "/run/uring-bench", errno: ENOENT))
        }
        try refuseOthers(in: directory)
        let needed = try needed(of: changes)
        guard !needed.isEmpty else { return }

        let journal = path(in: directory)
        let appliedBefore = applied.count
        do throws(SysctlError) {
            if applied.isEmpty { try begin(journal, in: directory) }
            for change in needed {
                try append(change, to: journal)
                applied.append(change)
                try values.raise(change)
            }
        } catch {
            let mine = applied[appliedBefore...].reversed()
            let failures = mine.map { values.restore($0) }.filter(\.hasFailed).map(\.change)
            applied.removeAll { change in mine.contains(change) && !failures.contains(change) }
            if applied.isEmpty { try? directory.remove(journal) }
            throw error
        }
    }

    /// Puts everything back, the newest first. Call it on every way out.
    ///
    /// - Returns: one outcome for each change; none when nothing was applied.
    public func restore() throws(SysctlError) -> [SysctlOutcome] {
        guard !applied.isEmpty else { return [] }
        guard let directory = try JournalDirectory.open(files: values.files, creates: false) else {
            throw .journal(FileError(path: "/run/uring-bench", errno: ENOENT))
        }
        let outcomes = applied.reversed().map { values.restore($0) }
        if !outcomes.contains(where: \.hasFailed) {
            applied = []
            try directory.remove(path(in: directory))
        }
        return outcomes
    }

    private func path(in directory: borrowing JournalDirectory) -> String {
        "\(directory.path)/\(owner.process.pid)\(StoredJournal.suffix)"
    }

    private func refuseOthers(in directory: borrowing JournalDirectory) throws(SysctlError) {
        for journal in try directory.journals() {
            guard let other = journal.owner else {
                // Its process ended while it wrote the first line: nothing was changed.
                try directory.remove(journal.path)
                continue
            }
            if other == owner && !applied.isEmpty { continue }
            throw .inUse(
                pid: other.process.pid, command: other.command,
                isAlive: other.process.isAlive(files: values.files))
        }
    }

    private func needed(of changes: [SysctlChange]) throws(SysctlError) -> [SysctlChange] {
        var needed: [SysctlChange] = []
        for change in changes {
            let found = try values.read(change.name)
            if found == change.new { continue }
            guard found == change.old else { throw .changedBefore(change, found: found) }
            needed.append(change)
        }
        return needed
    }

    private func begin(
        _ path: String, in directory: borrowing JournalDirectory
    ) throws(SysctlError) {
        do {
            try DurableFile.write(
                StoredJournal.line(owner), to: path, O_WRONLY | O_CREAT | O_EXCL, synced: true)
        } catch {
            throw .journal(error)
        }
        try directory.sync()
    }

    private func append(_ change: SysctlChange, to path: String) throws(SysctlError) {
        var status = stat()
        let byteCount = stat(path, &status) == 0 ? status.st_size : nil
        do {
            try DurableFile.write(
                StoredJournal.line(change), to: path, O_WRONLY | O_APPEND, synced: true)
        } catch {
            // Half a line would spoil the one that may follow it.
            if let byteCount { _ = truncate(path, byteCount) }
            throw .journal(error)
        }
    }
}
