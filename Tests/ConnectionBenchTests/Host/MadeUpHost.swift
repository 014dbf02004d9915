// A machine made of files on which sysctl values can be changed.

import Glibc
import Testing

@testable import ConnectionBench

final class MadeUpHost {
    static let boot = "6f1c7c2e-0000-4000-8000-000000000001"
    private let folder: FixtureDirectory

    var files: HostFiles { HostFiles(root: folder.path) }
    var values: SysctlValues { SysctlValues(files: files) }
    var root: String { folder.path }
    var journalFolder: String { folder.path + "/run/uring-bench" }

    init(_ sysctls: [String: String] = [:]) throws {
        folder = try FixtureDirectory([
            "/run/keep": "", "/proc/sys/kernel/random/boot_id": Self.boot + "\n",
        ])
        for (name, value) in sysctls { try set(name, value) }
    }

    deinit {
        for name in (try? TextFile.names(in: journalFolder)) ?? [] {
            unlink("\(journalFolder)/\(name)")
        }
        rmdir(journalFolder)
    }

    func set(_ name: String, _ value: String) throws {
        try folder.add(#require(SysctlChange.path(of: name)), value + "\n")
    }

    func get(_ name: String) throws -> String { try values.read(name) }

    /// A process in the machine's list. State `Z`: it has ended, and nobody has reaped it.
    @discardableResult
    func start(_ pid: Int32, ticks: UInt64 = 1_000, state: String = "S") throws -> ProcessIdentity {
        let middle = "1 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0"
        try folder.add("/proc/\(pid)/stat", "\(pid) (ur ing) b) \(state) \(middle) \(ticks) 0 0\n")
        try folder.add("/proc/\(pid)/comm", "uring-bench\n")
        return ProcessIdentity(pid: pid, startTicks: ticks)
    }

    func end(_ pid: Int32) {
        unlink(folder.path + "/proc/\(pid)/stat")
    }

    func journal(of process: ProcessIdentity) -> SysctlJournal {
        SysctlJournal(values: values, process: process)
    }

    var journals: [String] { (try? TextFile.names(in: journalFolder)) ?? [] }

    /// The text of a journal as its process would have written it.
    func write(journal text: String, of pid: Int32) throws {
        mkdir(journalFolder, 0o700)
        try DurableFile.write(
            text, to: "\(journalFolder)/\(pid).journal", O_WRONLY | O_CREAT | O_TRUNC)
    }

    func add(_ path: String, _ content: String) throws { try folder.add(path, content) }
}
