// The one bound on waiting: generous, because it says that something never happened, not when.

import ConnectionEngine
import Glibc
import Synchronization
import Testing

/// What a test waited for in vain.
struct NeverHappened: Error, CustomStringConvertible {
    let description: String
}

/// Nanoseconds after which a test stops waiting and fails; a drill in its full length waits longer.
let patience: UInt64 = DrillScale.isFull ? 1_500_000_000_000 : 30_000_000_000

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
let ownSource = freshSource()

/// Another such address, for a load: the kernel's search for a free port is slow where the ports of
/// an address are used up by connections that have ended.
func freshSource() -> SocketAddress {
    let number = UInt32(sources.add(1, ordering: .relaxed).newValue & 0xffff)
    let process = UInt32(bitPattern: getpid()) & 0x3f
    return SocketAddress(ipv4: 0x7f40_0000 | process << 16 | number, port: 0)
}

private let sources = Atomic<Int>(Int(getpid()) &* 997)
