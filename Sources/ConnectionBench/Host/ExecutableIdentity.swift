// Which file a program was started from, well enough to notice that it is another one now.

import Glibc

public struct ExecutableIdentity: Codable, Hashable, Sendable {
    public var path: String
    public var byteCount: Int
    /// Last modification in nanoseconds since 1970.
    public var modifiedNanoseconds: Int

    /// Of this process; `nil` without /proc.
    public static func ofThisProcess() -> ExecutableIdentity? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard count > 0 else { return nil }
        return ExecutableIdentity(
            path: String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    /// Of a file as it is now; `nil` when there is none.
    public init?(path: String) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        self.path = path
        byteCount = Int(status.st_size)
        modifiedNanoseconds =
            Int(status.st_mtim.tv_sec) * 1_000_000_000 + Int(status.st_mtim.tv_nsec)
    }

    public var isExecutable: Bool { access(path, X_OK) == 0 }

    /// Why it cannot be started again as it was; `nil`: it can.
    ///
    /// A result file may come from anywhere and names a program: only one that belongs to this user
    /// or to root, and that nobody else may write to, is started on its word.
    func obstacle() -> String? {
        guard let now = ExecutableIdentity(path: path) else {
            return "\(path) is not there any more"
        }
        if now != self { return "\(path) has changed since" }
        if !isExecutable { return "\(path) cannot be executed" }
        var status = stat()
        guard stat(path, &status) == 0 else { return "\(path) is not there any more" }
        if status.st_uid != 0, status.st_uid != geteuid() {
            return "\(path) belongs to another user"
        }
        if status.st_mode & 0o002 != 0 { return "\(path) can be written by everybody" }
        return nil
    }
}
