// The one bound on waiting: generous, because it says that something never happened, not when.

import ConnectionEngine
import Glibc
import Testing

/// What a test waited for in vain.
struct NeverHappened: Error, CustomStringConvertible {
    let description: String
}

/// Nanoseconds after which a test stops waiting and fails.
let patience: UInt64 = 30_000_000_000

/// Looks every half millisecond until `probe` finds something.
func eventually<Found>(_ what: String, _ probe: () throws -> Found?) throws -> Found {
    let start = MonotonicTime.now
    while true {
        if let found = try probe() { return found }
        if MonotonicTime.now.nanoseconds(since: start) > patience {
            throw NeverHappened(description: what)
        }
        usleep(500)
    }
}

/// The same for a condition.
func eventually(_ what: String, _ condition: () throws -> Bool) throws {
    _ = try eventually(what) { try condition() ? true : nil }
}

/// A loopback address that only this process connects from: whatever holds the ports of 127.0.0.1
/// on this machine, our connections find one.
let ownSource: SocketAddress = {
    let id = UInt32(bitPattern: getpid())
    return SocketAddress(ipv4: 0x7f40_0000 | (id & 0x3f_ffff) | 1, port: 0)
}()
