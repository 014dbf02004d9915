// Why a client could not be taken, counted by errno, on the backends where the kernel can say so.

import ConnectionEngine
import Glibc
import Testing

extension Contract {
    /// Each runs in a process of its own, which is refused a system call for good.
    @Suite struct AcceptFailures {
        @Test("no file left in the system (ENFILE)")
        func files() async {
            await #expect(processExitsWith: .success) {
                try clientIsRefused([.epoll, .threads], .accept, ENFILE) {
                    $0.acceptFailuresNoFile
                }
            }
        }

        @Test("no memory (ENOBUFS)")
        func memory() async {
            await #expect(processExitsWith: .success) {
                try clientIsRefused([.epoll, .threads], .accept, ENOBUFS) {
                    $0.acceptFailuresNoMemory
                }
            }
        }

        @Test("no watch left for epoll (ENOSPC)")
        func watches() async {
            await #expect(processExitsWith: .success) {
                try clientIsRefused([.epoll], .epollAdd, ENOSPC) { $0.acceptFailuresNoWatch }
            }
        }

        @Test("no thread for a client")
        func threads() async {
            await #expect(processExitsWith: .success) {
                let engine = try TestEngine(.threads, .echo, listens: true) {
                    $0.limits.threadStackByteCount = 1 << 30
                }
                let first = try Peer.connected(to: engine.address)
                _ = try engine.accepted()
                // The listener has its thread; there is no address space for another one's stack.
                var limit = rlimit()
                getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
                limit.rlim_cur = rlim_t(addressSpaceByteCount() + (1 << 29))
                setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
                let peer = try Peer.connected(to: engine.address)
                precondition(peer.endsWithReset())
                limit.rlim_cur = limit.rlim_max
                setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
                let next = try Peer.connected(to: engine.address)
                try next.write([1])
                let echo = try next.read(1)
                precondition(echo == [1])
                first.close()
                let counters = engine.end()
                precondition(counters.acceptFailures == 1, "\(counters)")
                precondition(counters.acceptFailuresNoThread == 1, "\(counters)")
                precondition(counters.accepted == 2, "\(counters)")
            }
        }
    }
}

/// A client comes, `call` fails, and only `count` and the sum tell of it.
private func clientIsRefused(
    _ backends: [BackendKind], _ call: RefusedCall, _ code: CInt, _ count: (Counters) -> UInt64
) throws {
    let engines = try backends.map { try TestEngine($0, .echo, listens: true) }
    refuse(call, with: code)
    for engine in engines {
        let peer = try Peer.connected(to: engine.address)
        try eventually("a failed accept") {
            engine.engine.wake()
            usleep(11_000)
            return count(engine.engine.counters) > 0
        }
        let counters = engine.end()
        precondition(count(counters) == counters.acceptFailures, "\(counters)")
        peer.close()
    }
}
