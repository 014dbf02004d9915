// Reading and writing the kernel's values below /proc/sys.

import Glibc

struct SysctlValues {
    let files: HostFiles
    /// Called before each write; tests look here at what the journal holds by then.
    var willWrite: (SysctlChange) -> Void = { _ in }

    func read(_ name: String) throws(SysctlError) -> String {
        guard let path = SysctlChange.path(of: name) else { throw .badName(name) }
        do {
            return SysctlChange.normalised(try files.read(path))
        } catch {
            throw .value(name: name, error)
        }
    }

    /// - Throws: also when the kernel takes another value than the one written.
    func raise(_ change: SysctlChange) throws(SysctlError) {
        willWrite(change)
        try write(change.new, to: change.name)
        let found = try read(change.name)
        guard found == change.new else {
            try write(change.old, to: change.name)
            throw .notTaken(change, found: found)
        }
    }

    /// Puts the old value back, if the present one is the one that was written.
    func restore(_ change: SysctlChange) -> SysctlOutcome {
        do throws(SysctlError) {
            let found = try read(change.name)
            if found == change.old { return SysctlOutcome(change: change, kind: .wasOld) }
            guard found == change.new else {
                return SysctlOutcome(change: change, kind: .changedMeanwhile(found: found))
            }
            try write(change.old, to: change.name)
            return SysctlOutcome(change: change, kind: .restored)
        } catch {
            return SysctlOutcome(change: change, kind: .failed("\(error)"))
        }
    }

    private func write(_ value: String, to name: String) throws(SysctlError) {
        guard let path = SysctlChange.path(of: name) else { throw .badName(name) }
        do {
            // The kernel takes a value whole, from one write; O_TRUNC is for made-up machines.
            try DurableFile.write("\(value)\n", to: files.root + path, O_WRONLY | O_TRUNC)
        } catch {
            throw .value(name: name, error)
        }
    }
}

/// Files that must be on the disk, or in the kernel, before anything else happens.
enum DurableFile {
    /// One open, one write, and fsync if `synced`. The file's new content is what is given.
    static func write(
        _ text: String, to path: String, _ flags: CInt, mode: mode_t = 0o600, synced: Bool = false
    ) throws(FileError) {
        let fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, mode)
        guard fd >= 0 else { throw FileError(path: path, errno: errno) }
        defer { close(fd) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw FileError(path: path, errno: count < 0 ? errno : EIO) }
            bytes = bytes.dropFirst(count)
        }
        if synced && fsync(fd) != 0 { throw FileError(path: path, errno: errno) }
    }
}
