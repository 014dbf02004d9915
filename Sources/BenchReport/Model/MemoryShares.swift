// What one connection costs in memory, by slab cache and by side.

import ConnectionBench

struct MemoryShares {
    /// Bytes per connection of each cache that grew, as the kernel names it.
    var caches: [String: Double] = [:]
    /// The growth of all caches that are not listed; may be negative.
    var otherCaches: Double?
    var server: Double?
    var client: Double?

    /// `nil` for no connections.
    init?(_ step: StepResult) {
        guard step.connections > 0 else { return nil }
        let count = Double(step.connections)
        if let growth = step.kernelMemory {
            for cache in growth.caches {
                caches[cache.name, default: 0] += Double(cache.bytes) / count
            }
            let listed = growth.caches.reduce(0.0) { $0 + Double($1.bytes) }
            otherCaches = (Double(growth.totalBytes) - listed) / count
        }
        server = step.serverUserBytes.map { Double($0) / count }
        client = step.clientUserBytes.map { Double($0) / count }
    }

    /// Bytes add up, so their mean is one; a cache that a run does not list counts as 0 there.
    static func mean(_ all: [MemoryShares]) -> MemoryShares? {
        guard var mean = all.first else { return nil }
        mean.caches = [:]
        for shares in all {
            for (name, bytes) in shares.caches {
                mean.caches[name, default: 0] += bytes / Double(all.count)
            }
        }
        mean.otherCaches = Samples(all.compactMap(\.otherCaches)).mean
        mean.server = Samples(all.compactMap(\.server)).mean
        mean.client = Samples(all.compactMap(\.client)).mean
        return mean
    }
}
