// A point on CLOCK_MONOTONIC, the only clock of the engine.

/// Nanoseconds since an unspecified start; comparable between processes of one machine.
@frozen
public struct MonotonicTime: Hashable, Comparable, Sendable {
    public let nanoseconds: UInt64

    @inlinable
    public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    public static let zero = MonotonicTime(nanoseconds: 0)

    /// Reads the clock; about 25 ns, no system call (vDSO).
    public static var now: MonotonicTime {
        MonotonicTime(nanoseconds: Kernel.clock)
    }

    @inlinable
    public static func < (left: MonotonicTime, right: MonotonicTime) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    @inlinable
    public func advanced(byNanoseconds nanoseconds: UInt64) -> MonotonicTime {
        MonotonicTime(nanoseconds: self.nanoseconds &+ nanoseconds)
    }

    /// 0 when `earlier` is in fact later: a duration is never negative here.
    @inlinable
    public func nanoseconds(since earlier: MonotonicTime) -> UInt64 {
        nanoseconds > earlier.nanoseconds ? nanoseconds &- earlier.nanoseconds : 0
    }

    /// Seconds as a number for people and ratios, not for arithmetic on the clock.
    public func seconds(since earlier: MonotonicTime) -> Double {
        Double(nanoseconds(since: earlier)) / 1e9
    }
}
