// The clock and the sockets: every call into Linux that a backend's loop makes goes through here.
//
// This folder is the only one that the simulation replaces: it compiles the rest of the engine over
// a kernel of its own (Tests/Simulation). A call returns what Linux returned: a value >= 0, or
// -errno; nothing is decided here.

import CLinux
import Glibc

enum Kernel {
    /// CLOCK_MONOTONIC, nanoseconds.
    @inline(__always)
    static var clock: UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// Lets others run, after the kernel asked to be tried again.
    static func yield() {
        sched_yield()
    }

    /// close(2) must not be repeated, whatever it answers (Linux closes even on EINTR).
    @inline(__always)
    static func close(_ fd: CInt) {
        _ = CLinux_close(fd)
    }

    // MARK: Wake-ups

    static func makeEventFD() -> CInt { CLinux_eventfd() }

    /// Adds one to an eventfd's counter; it cannot fail before 2^64 signals unread.
    static func signal(eventFD: CInt) {
        var one: UInt64 = 1
        _ = unsafe write(eventFD, &one, 8)
    }

    /// Sets an eventfd's counter to 0; blocks while it is 0.
    static func clear(eventFD: CInt) {
        var count: UInt64 = 0
        _ = unsafe read(eventFD, &count, 8)
    }

    // MARK: Sockets

    static func makeSocket(isIPv6: Bool, flags: CInt) -> CInt {
        let fd = socket(isIPv6 ? AF_INET6 : AF_INET, CLinux_SOCK_STREAM | flags, 0)
        return fd >= 0 ? fd : -errnoNow()
    }

    static func setOption(_ fd: CInt, level: CInt, name: CInt, value: CInt) -> CInt {
        var value = value
        return unsafe setsockopt(fd, level, name, &value, socklen_t(4)) == 0 ? 0 : -errnoNow()
    }

    /// - Safety (of those with an address): it has `byteCount` readable bytes.
    static func bind(_ fd: CInt, _ address: UnsafeRawPointer, byteCount: UInt32) -> CInt {
        unsafe Glibc.bind(fd, address.assumingMemoryBound(to: sockaddr.self), byteCount) == 0
            ? 0 : -errnoNow()
    }

    static func connect(_ fd: CInt, _ address: UnsafeRawPointer, byteCount: UInt32) -> CInt {
        unsafe Glibc.connect(fd, address.assumingMemoryBound(to: sockaddr.self), byteCount) == 0
            ? 0 : -errnoNow()
    }

    /// The error that a non-blocking connect ended with; 0 when it succeeded.
    static func pendingError(of fd: CInt) -> CInt {
        var code: CInt = 0
        var length = socklen_t(4)
        let result = unsafe getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length)
        return result == 0 ? code : errnoNow()
    }

    /// Whether a non-blocking connect has succeeded already.
    static func isConnected(_ fd: CInt) -> Bool {
        unsafe withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { storage in
            let base = storage.baseAddress!
            var length = socklen_t(32)
            return unsafe getpeername(
                fd, base.assumingMemoryBound(to: sockaddr.self), &length) == 0
        }
    }

    /// Whether a client waits in a listening socket's queue.
    static func hasClient(_ listener: CInt) -> Bool {
        var request = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&request, 1, 0) > 0
    }

    @inline(__always)
    static func accept(_ listener: CInt, flags: CInt) -> CInt { CLinux_accept(listener, flags) }

    @inline(__always)
    static func receive(_ fd: CInt, _ bytes: UnsafeMutableRawPointer, byteCount: Int) -> Int {
        unsafe CLinux_recv(fd, bytes, byteCount, 0)
    }

    /// Without SIGPIPE.
    @inline(__always)
    static func send(_ fd: CInt, _ bytes: UnsafeRawPointer, byteCount: Int) -> Int {
        unsafe CLinux_send(fd, bytes, byteCount, 0)
    }

    /// Linger of zero makes close(2) reset the connection instead of ending it in order.
    static func setAbortiveClose(_ fd: CInt) -> CInt { CLinux_set_abortive_close(fd) }
}
