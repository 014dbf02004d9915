// Latencies while they are measured: coarse buckets in shared memory, one writer each.

import Synchronization

/// Buckets of an eighth of an octave from 1 µs to 137 s: what is read from them is at most 6 %
/// wrong. The result's own percentiles come from ``LatencyHistogram``.
struct LiveLatency: @unchecked Sendable {
    private static let octaveFirst = 10
    private static let octaveLast = 36
    static let bucketCount = (octaveLast - octaveFirst + 1) * 8
    static let byteCount = 2_048 - 256

    private let base: UnsafeMutableRawPointer

    /// - Parameter base: `byteCount` bytes that outlive this value, at first all 0.
    init(base: UnsafeMutableRawPointer) {
        precondition(LiveLatency.bucketCount * 8 <= LiveLatency.byteCount)
        self.base = base
    }

    /// By the one writer only. Allocates nothing.
    @inline(__always)
    func record(_ nanoseconds: UInt64) {
        let word = word(LiveLatency.index(nanoseconds))
        // One writer: a load and a store are enough.
        word.pointee.store(word.pointee.load(ordering: .relaxed) + 1, ordering: .relaxed)
    }

    @inline(__always)
    static func index(_ nanoseconds: UInt64) -> Int {
        let value = max(nanoseconds, 1 << UInt64(octaveFirst))
        let octave = 63 - value.leadingZeroBitCount
        guard octave <= octaveLast else { return bucketCount - 1 }
        let eighth = Int(truncatingIfNeeded: value >> UInt64(octave - 3)) & 7
        return (octave - octaveFirst) * 8 + eighth
    }

    /// The middle of a bucket.
    static func value(_ index: Int) -> UInt64 {
        let octave = UInt64(octaveFirst + index / 8)
        let width: UInt64 = 1 << (octave - 3)
        return (8 + UInt64(index % 8)) * width + width / 2
    }

    /// The end of a bucket.
    static func upperBound(_ index: Int) -> UInt64 {
        let octave = UInt64(octaveFirst + index / 8)
        return (8 + UInt64(index % 8) + 1) << (octave - 3)
    }

    private func word(_ index: Int) -> UnsafeMutablePointer<Atomic<Int>> {
        (base + index * 8).assumingMemoryBound(to: Atomic<Int>.self)
    }

    /// What the buckets hold at one moment.
    struct Counts {
        private var counts = [Int](repeating: 0, count: LiveLatency.bucketCount)

        mutating func add(_ live: LiveLatency) {
            for index in counts.indices {
                counts[index] += live.word(index).pointee.load(ordering: .relaxed)
            }
        }

        func since(_ earlier: Counts) -> Counts {
            var difference = self
            for index in counts.indices { difference.counts[index] -= earlier.counts[index] }
            return difference
        }

        var total: Int { counts.reduce(0, +) }

        /// What the largest recorded value cannot be above; `nil` where nothing was recorded.
        var highest: UInt64? {
            counts.lastIndex { $0 > 0 }.map { LiveLatency.upperBound($0) }
        }

        /// `nil` where nothing was recorded.
        func value(atPercentile percentile: Double) -> UInt64? {
            let total = counts.reduce(0, +)
            guard total > 0 else { return nil }
            let rank = max(1, Int((percentile / 100 * Double(total)).rounded(.up)))
            var seen = 0
            for (index, count) in counts.enumerated() {
                seen += count
                if seen >= rank { return LiveLatency.value(index) }
            }
            return nil
        }
    }
}
