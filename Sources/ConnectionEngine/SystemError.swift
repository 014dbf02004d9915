// What the kernel refused, in words that a person can act on.

import Glibc

/// An errno as a value; its description is the kernel's name and the library's text.
@frozen
public struct Errno: Error, Hashable, Sendable, CustomStringConvertible {
    /// The positive errno number, as in errno(3).
    public let code: CInt

    @inlinable
    public init(_ code: CInt) {
        self.code = code
    }

    /// For example `ECONNREFUSED (Connection refused)`.
    public var description: String {
        let text = unsafe strerror(code).map { unsafe String(cString: $0) } ?? "unknown error"
        return "\(name) (\(text))"
    }

    /// The symbolic name where it is one that sockets and rings return, else `errno N`.
    public var name: String {
        Errno.names.first { $0.code == code }?.name ?? "errno \(code)"
    }

    private static let names: [(code: CInt, name: String)] = [
        (EPERM, "EPERM"), (ENOENT, "ENOENT"), (EINTR, "EINTR"), (EIO, "EIO"),
        (EBADF, "EBADF"), (EAGAIN, "EAGAIN"), (ENOMEM, "ENOMEM"), (EACCES, "EACCES"),
        (EFAULT, "EFAULT"), (EBUSY, "EBUSY"), (EEXIST, "EEXIST"), (EINVAL, "EINVAL"),
        (ENFILE, "ENFILE"), (EMFILE, "EMFILE"), (EPIPE, "EPIPE"), (ENOSYS, "ENOSYS"),
        (ETIME, "ETIME"), (EALREADY, "EALREADY"), (ENOTSOCK, "ENOTSOCK"),
        (EOPNOTSUPP, "EOPNOTSUPP"), (EADDRINUSE, "EADDRINUSE"),
        (EADDRNOTAVAIL, "EADDRNOTAVAIL"), (ENETUNREACH, "ENETUNREACH"),
        (ECONNABORTED, "ECONNABORTED"), (ECONNRESET, "ECONNRESET"), (ENOBUFS, "ENOBUFS"),
        (ENOTCONN, "ENOTCONN"), (ETIMEDOUT, "ETIMEDOUT"), (ECONNREFUSED, "ECONNREFUSED"),
        (EHOSTUNREACH, "EHOSTUNREACH"), (EINPROGRESS, "EINPROGRESS"),
        (ECANCELED, "ECANCELED"), (ENOSPC, "ENOSPC"),
    ]
}

/// The machine is not fit for what was asked: thrown at start only, with the cause and the remedy.
///
/// A connection that fails is never one of these; it is a ``Completion``.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    public let errno: Errno
    /// The system call, for example `io_uring_setup`.
    public let call: String
    /// The likely cause and what to do about it; empty when the errno says it all.
    public let remedy: String

    public init(_ errno: Errno, call: String, remedy: String = "") {
        self.errno = errno
        self.call = call
        self.remedy = remedy
    }

    /// One line: call, errno, and the remedy when there is one.
    public var description: String {
        remedy.isEmpty ? "\(call): \(errno)" : "\(call): \(errno); \(remedy)"
    }
}

/// Calls, repeats after EINTR, and turns a failure into a `SystemError`.
///
/// Not for `close`, which must not be repeated on Linux after EINTR.
@inline(never)
func systemCall(
    _ name: StaticString, remedy: @autoclosure () -> String = "", _ body: () -> CInt
) throws(SystemError) -> CInt {
    while true {
        let result = body()
        let code = errno
        if result >= 0 { return result }
        switch code {
        case EINTR: continue
        case EBADF, EFAULT: fatalError("\(name): errno \(code) can only be our bug")
        default: throw SystemError(Errno(code), call: "\(name)", remedy: remedy())
        }
    }
}

/// The same fence for the `CLinux_` wrappers, which return -errno themselves.
func kernelResult(
    _ name: StaticString, remedy: @autoclosure () -> String = "", _ result: Int
) throws(SystemError) -> Int {
    if result >= 0 { return result }
    let code = CInt(-result)
    if code == EBADF || code == EFAULT { fatalError("\(name): errno \(code) can only be our bug") }
    throw SystemError(Errno(code), call: "\(name)", remedy: remedy())
}

/// The code of the call that has just failed; the one place beside `systemCall` that reads it.
func errnoNow() -> CInt { errno }
