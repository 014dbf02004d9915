// epoll's three calls.

import CLinux
import Glibc

extension Kernel {
    static func makeEpoll() -> CInt { CLinux_epoll_create() }

    /// - Parameters:
    ///   - operation: EPOLL_CTL_ADD or EPOLL_CTL_MOD.
    ///   - data: what `waitForEvents` hands back.
    @inline(__always)
    static func control(
        _ epoll: CInt, _ operation: CInt, _ fd: CInt, events: UInt32, data: UInt64
    ) -> CInt {
        CLinux_epoll_ctl(epoll, operation, fd, events, data)
    }

    /// Fills `events` with at most `count` events.
    ///
    /// - Parameter timeout: nanoseconds; negative waits without end.
    @inline(__always)
    static func waitForEvents(
        _ epoll: CInt, _ events: UnsafeMutablePointer<epoll_event>, count: CInt, timeout: Int64
    ) -> CInt {
        unsafe CLinux_epoll_wait(epoll, events, count, timeout)
    }
}
