// Why sysctl values were not changed, or not changed back.

import Glibc

public enum SysctlError: Error, Hashable, Sendable, CustomStringConvertible {
    case notPrivileged(path: String)
    /// Another process has changed values and not yet put them back, or has ended without it.
    case inUse(pid: Int32, command: String, isAlive: Bool)
    /// The directory of the journals could be written by others than its owner.
    case unsafeDirectory(path: String)
    case badName(String)
    /// The value is no longer what the change was made for. Nothing was written.
    case changedBefore(SysctlChange, found: String)
    /// The kernel took another value than the one written. The old one was put back.
    case notTaken(SysctlChange, found: String)
    case value(name: String, FileError)
    case journal(FileError)

    public var description: String {
        switch self {
        case .notPrivileged(let path):
            "\(path) is root's: run it as root (sudo uring-bench …)"
        case .inUse(let pid, let command, isAlive: true):
            "process \(pid) (\(command)) has changed sysctl values and will put them back when "
                + "it ends: wait for it, since two at once would undo each other's"
        case .inUse(let pid, let command, isAlive: false):
            "process \(pid) (\(command)) has ended without putting sysctl values back: run "
                + "'uring-bench restore' first"
        case .unsafeDirectory(let path):
            "\(path) is not a directory that only its owner can use: look who made it, then "
                + "remove it"
        case .badName(let name): "'\(name)' is not the name of a sysctl"
        case .changedBefore(let change, let found):
            "\(change.name) is \(found) and no longer \(change.old): look again what it needs"
        case .notTaken(let change, let found):
            "\(change.name): the kernel made \(found) of \(change.new); \(change.old) was put back"
        case .value(let name, let error): "\(name): \(error)"
        case .journal(let error): "the journal of sysctl changes: \(error)"
        }
    }
}

/// What became of one value that was to be put back; its description is one line.
public struct SysctlOutcome: Codable, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Codable, Hashable, Sendable {
        case restored
        /// It had its old value already: it was never written, or was put back before.
        case wasOld
        /// Someone has changed it since; it was left alone.
        case changedMeanwhile(found: String)
        /// It belongs to a namespace or to a start of the machine that is gone, and so is it.
        case gone(String)
        /// It could not be put back; the journal is kept.
        case failed(String)

        /// For machines.
        public var name: String {
            switch self {
            case .restored: "restored"
            case .wasOld: "wasOld"
            case .changedMeanwhile: "changedMeanwhile"
            case .gone: "gone"
            case .failed: "failed"
            }
        }
    }

    public let change: SysctlChange
    public let kind: Kind

    public var hasFailed: Bool { if case .failed = kind { true } else { false } }

    public var description: String {
        switch kind {
        case .restored: "\(change.name): restored \(change.old) (was \(change.new))"
        case .wasOld: "\(change.name): is \(change.old) already"
        case .changedMeanwhile(let found):
            "\(change.name): left at \(found), since someone changed it meanwhile (ours was "
                + "\(change.new), before that \(change.old))"
        case .gone(let reason): "\(change.name): nothing to do, \(reason)"
        case .failed(let reason):
            "\(change.name): NOT restored to \(change.old) (now \(change.new)): \(reason)"
        }
    }
}
