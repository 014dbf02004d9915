// How the epoll backend accepts, and when its listeners rest.

import CLinux
import Glibc

extension EpollBackend {
    mutating func acceptAll(into batch: inout CompletionBatch) {
        if acceptPausedUntil > .now { return }
        for index in acceptable.indices where acceptable[index] {
            while batch.room >= 2 {
                if table.openCount >= setup.limits.connections {
                    // Full: the clients wait in the queue; look again when one has gone.
                    acceptPausedUntil = .now.advanced(byNanoseconds: acceptPause)
                    break
                }
                let fd = Kernel.accept(
                    setup.listeners[index],
                    flags: CLinux_SOCK_NONBLOCK | CLinux_SOCK_CLOEXEC)
                if fd >= 0 {
                    accepted(fd, into: &batch)
                } else if fd == -EAGAIN {
                    acceptable[index] = false
                    break
                } else if fd != -EINTR && fd != -ECONNABORTED {
                    // EMFILE, ENFILE, ENOBUFS, ENOMEM: try again in 100 ms.
                    acceptFailed(-fd, at: .accept)
                    break
                }
            }
        }
    }

    mutating func acceptFailed(_ code: CInt, at step: Counters.AcceptStep) {
        counters.acceptFailed(code, at: step)
        acceptPausedUntil = .now.advanced(byNanoseconds: acceptPause)
    }

    private mutating func accepted(_ fd: CInt, into batch: inout CompletionBatch) {
        guard let id = table.take(.open, fd: fd) else {
            preconditionFailure("a slot must be free below the connection limit")
        }
        unsafe table.slots[Int(id.index)].flags.insert(.accepted)
        counters.accepted += 1
        batch.append(.accepted(id))
    }
}
