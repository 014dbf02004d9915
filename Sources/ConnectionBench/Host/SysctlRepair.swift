// Putting back what processes have left changed that were killed: `uring-bench restore`.

import Glibc

/// What was found, and done about it.
public struct SysctlRepair: Sendable {
    public let outcomes: [SysctlOutcome]
    /// Journals that were left alone, each with the reason in one line.
    public let left: [String]

    public var hasFailed: Bool { outcomes.contains(where: \.hasFailed) }

    /// One line for each value and each journal that was left alone.
    public var lines: [String] {
        let lines = outcomes.map(\.description) + left
        return lines.isEmpty ? ["nothing to restore"] : lines
    }
}

extension SysctlJournal {
    /// Restores the values of every journal whose process is gone.
    ///
    /// - Throws: `notPrivileged` when the journals cannot be read.
    public static func repair() throws(SysctlError) -> SysctlRepair {
        try repair(SysctlValues(files: HostFiles(root: "")))
    }

    static func repair(_ values: SysctlValues) throws(SysctlError) -> SysctlRepair {
        guard let directory = try JournalDirectory.open(files: values.files, creates: false) else {
            return SysctlRepair(outcomes: [], left: [])
        }
        let here = Surroundings(files: values.files)
        var outcomes: [SysctlOutcome] = []
        var left: [String] = []
        // There is one at most, see rule 3, unless someone has meddled.
        for journal in try directory.journals() {
            if let reason = here.reasonToLeave(journal) {
                left.append(reason)
                continue
            }
            let mine = journal.changes.reversed().map { change in
                here.reasonItIsGone(change, of: journal.owner).map {
                    SysctlOutcome(change: change, kind: .gone($0))
                } ?? values.restore(change)
            }
            outcomes += mine
            if !mine.contains(where: \.hasFailed) { try directory.remove(journal.path) }
        }
        return SysctlRepair(outcomes: outcomes, left: left)
    }
}

/// The start of the machine and the namespaces in which the repair takes place.
private struct Surroundings {
    let files: HostFiles
    let bootID: String?
    let networkNamespace: String?
    let processNamespace: String?

    init(files: HostFiles) {
        self.files = files
        bootID = files.value("/proc/sys/kernel/random/boot_id")
        networkNamespace = files.link("/proc/self/ns/net")
        processNamespace = files.link("/proc/self/ns/pid")
    }

    func reasonToLeave(_ journal: StoredJournal) -> String? {
        guard let owner = journal.owner, owner.bootID == bootID else { return nil }
        let process = "process \(owner.process.pid) (\(owner.command))"
        guard owner.processNamespace == processNamespace else {
            return "\(journal.path): left, since \(process) belongs to another container "
                + "(pid namespace): run 'uring-bench restore' there"
        }
        if owner.process.isAlive(files: files) {
            return "\(journal.path): left, since \(process) still runs and restores it at its end"
        }
        let isElsewhere = owner.networkNamespace != networkNamespace
        if isElsewhere, journal.changes.contains(where: \.isOfNetwork),
            namespaceExists(owner.networkNamespace)
        {
            return "\(journal.path): left, since \(process) ran in another network namespace "
                + "that still exists: run 'uring-bench restore' inside it (ip netns exec, nsenter)"
        }
        return nil
    }

    func reasonItIsGone(_ change: SysctlChange, of owner: JournalOwner?) -> String? {
        guard let owner else { return nil }
        if owner.bootID != bootID { return "the machine was restarted since" }
        if change.isOfNetwork, owner.networkNamespace != networkNamespace {
            return "its network namespace is gone"
        }
        return nil
    }

    /// Looks at the processes and at the names of ip-netns(8); a namespace that only an open
    /// descriptor keeps alive is not found.
    private func namespaceExists(_ link: String?) -> Bool {
        guard let link else { return false }
        for name in files.names(in: "/proc") ?? [] where Int32(name) != nil {
            if files.link("/proc/\(name)/ns/net") == link { return true }
        }
        return (files.names(in: "/run/netns") ?? []).contains { name in
            var status = stat()
            guard stat(files.root + "/run/netns/\(name)", &status) == 0 else { return false }
            return link == "net:[\(status.st_ino)]"
        }
    }
}

extension SysctlChange {
    /// Values below `net.` belong to a network namespace.
    fileprivate var isOfNetwork: Bool { name.hasPrefix("net.") }
}
