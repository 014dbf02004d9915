// How late a worker's loop is, measured by turns that it wants at fixed times.

import ConnectionEngine

/// A turn is wanted every 10 ms; what passes from then to the turn that comes is the loop's lag.
///
/// A loop that is busy with a long batch, or has no processor, is late by all that was left of it.
struct LoopPulse {
    static let periodNanoseconds: UInt64 = 10_000_000

    /// When the next turn is wanted.
    private(set) var next: MonotonicTime

    init(from start: MonotonicTime) {
        next = start.advanced(byNanoseconds: Self.periodNanoseconds)
    }

    /// In each turn: the lag in nanoseconds, when one was wanted by now. Pulses that were missed
    /// meanwhile were missed for one reason, and count as one.
    @inline(__always)
    mutating func beat(_ now: MonotonicTime) -> UInt64? {
        guard now >= next else { return nil }
        let lag = now.nanoseconds(since: next)
        next = now.advanced(byNanoseconds: Self.periodNanoseconds)
        return lag
    }
}
