// One file below /proc/sys/net, by the name that sysctl(8) has for it.

import ConnectionEngine
import Glibc

/// A network sysctl of the calling thread's namespace.
///
/// Names outside of `net` are refused: they are the machine's, whatever namespace they are written
/// from. Of those within it the kernel shows a namespace only its own.
struct Sysctl {
    let name: String
    private let path: String

    /// - Parameter name: `net.ipv4.tcp_syn_retries`, or with slashes where a part has a dot in it
    ///   (`net/ipv4/conf/eth0.1/rp_filter`).
    /// - Throws: EINVAL for another kind of name.
    init(_ name: String) throws(SystemError) {
        let separator: Character = name.contains("/") ? "/" : "."
        let parts = name.split(separator: separator, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[0] == "net",
            !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." || $0.contains("\0") })
        else {
            throw SystemError(
                Errno(EINVAL), call: "sysctl \(name)",
                remedy: "only net.* belongs to a network namespace; anything else would change the"
                    + " host")
        }
        self.name = name
        path = "/proc/sys/" + parts.joined(separator: "/")
    }

    /// - Returns: the value without white space at its ends.
    func read() throws(SystemError) -> String {
        do throws(FileError) {
            return try TextFile.readValue(path)
        } catch {
            guard case .errno(let code) = error.reason else { preconditionFailure("\(error)") }
            throw failure(code, value: nil)
        }
    }

    func write(_ value: String) throws(SystemError) {
        let fd = open(path, O_WRONLY | O_CLOEXEC)
        guard fd >= 0 else { throw failure(errno, value: value) }
        defer { close(fd) }
        let written = value.withCString { Glibc.write(fd, $0, strlen($0)) }
        guard written == value.utf8.count else {
            throw failure(written < 0 ? errno : EIO, value: value)
        }
    }

    private func failure(_ code: CInt, value: String?) -> SystemError {
        let remedy =
            switch code {
            case ENOENT:
                "the network namespace has none of its own: the kernel keeps it once for the"
                    + " machine, or does not know it"
            case EACCES, EPERM: "it cannot be written from within a network namespace"
            case EROFS: "/proc/sys is read-only, as in a container without privileges"
            case EINVAL, ERANGE: "the kernel refuses the value"
            default: ""
            }
        let call = value.map { "sysctl \(name)=\($0)" } ?? "sysctl \(name)"
        return SystemError(Errno(code), call: call, remedy: remedy)
    }
}
