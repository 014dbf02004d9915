// How connection indices map to rings and direct slots, and which features this kernel has.

import CLiburing

/// The index space of one worker: ring `i` holds indices `i * slotsPerRing ..< (i + 1) * …`.
///
/// Rings below `acceptRings` are filled by the kernel (accept chooses the slot), the others by us.
/// With plain descriptors there is one ring, and an index says nothing about the descriptor.
struct URingLayout {
    let isDirect: Bool
    let slotsPerRing: UInt32
    let acceptRings: Int
    let ringsMax: Int
    /// Free slots that an accepting ring must keep for each listener armed on it: what one entry
    /// can accept at most. A full table loses clients (accepted, then ENFILE, and the peer sees
    /// EOF).
    let acceptReserve: UInt32
    /// The process's limit makes a table smaller than what one entry may accept: no reserve is safe
    /// while the queue fills as fast as it is emptied, so that clients are accepted one by one.
    let acceptsSingly: Bool
    let connections: UInt32

    init(limits: Limits, listeners: Int, backlog: UInt32, isDirect: Bool) {
        self.isDirect = isDirect
        self.connections = limits.connections
        let listeners = UInt32(listeners)
        // The queue can fill again while it is being emptied; accept stops when the CQ is full.
        let reserve = min(backlog + backlog / 2, limits.completionEntries) + 16
        let needed = limits.connections + listeners * reserve
        guard isDirect else {
            slotsPerRing = needed
            acceptRings = 0
            ringsMax = 1
            acceptReserve = 0
            acceptsSingly = false
            return
        }
        let descriptors = raiseDescriptorLimit()
        // The kernel allows a table as large as RLIMIT_NOFILE, per ring.
        slotsPerRing = UInt32(min(UInt64(needed), UInt64(limits.ringSlots), descriptors))
        acceptsSingly =
            UInt64(slotsPerRing) == descriptors && slotsPerRing < limits.completionEntries
        // An empty ring has room for all listeners at once; so there is always a ring with room for
        // the next one, as long as the worker may hold more connections.
        acceptReserve = min(reserve, slotsPerRing / (listeners + 1))
        let usable = slotsPerRing - listeners * acceptReserve
        acceptRings = listeners > 0 ? Int((limits.connections + usable - 1) / usable) : 0
        ringsMax = acceptRings + Int((limits.connections + slotsPerRing - 1) / slotsPerRing)
    }

    /// Exclusive upper bound of connection indices.
    var indexLimit: UInt32 {
        isDirect ? UInt32(acceptRings) * slotsPerRing + connections : slotsPerRing
    }

    /// Indices below this are chosen by the kernel.
    var kernelNamed: UInt32 { UInt32(acceptRings) * slotsPerRing }

    @inline(__always)
    func ring(of index: UInt32) -> Int {
        isDirect ? Int(index / slotsPerRing) : 0
    }

    @inline(__always)
    func directSlot(of index: UInt32) -> UInt32 {
        index % slotsPerRing
    }
}

/// Ring 0 with what was found out about the kernel while making it.
struct URingHub: ~Copyable {
    private var ring: URing
    let features: URingFeatures
    let fallbacks: [String]

    init(ring: consuming URing, features: URingFeatures, fallbacks: [String]) {
        self.ring = ring
        self.features = features
        self.fallbacks = fallbacks
    }

    consuming func takeRing() -> URing { ring }
}

extension URing {
    /// Makes a worker's first ring with the best flags and features that this kernel has.
    ///
    /// - Parameter masked: features to do without, whatever the kernel has.
    static func hub(_ limits: Limits, masked: URingFeatures) throws(SystemError) -> URingHub {
        let base = CLiburing_SETUP_SUBMIT_ALL | CLiburing_SETUP_TASKRUN_FLAG
        let deferred =
            base | CLiburing_SETUP_SINGLE_ISSUER | CLiburing_SETUP_DEFER_TASKRUN
        let cooperative = base | CLiburing_SETUP_COOP_TASKRUN
        var missing = masked
        if !masked.contains(.deferTaskRun) {
            do throws(SystemError) {
                let ring = try URing(
                    entries: limits.submissionEntries, completions: limits.completionEntries,
                    flags: deferred, noIOWait: true)
                return ring.probed(missing: missing, masked: masked)
            } catch {
                // Only "flag unknown" is a reason to go on with less.
                guard error.errno.code == EINVAL else { throw error }
                missing.insert(.deferTaskRun)
            }
        }
        let ring = try URing(
            entries: limits.submissionEntries, completions: limits.completionEntries,
            flags: cooperative, noIOWait: true)
        return ring.probed(missing: missing, masked: masked)
    }

    private consuming func probed(missing: URingFeatures, masked: URingFeatures) -> URingHub {
        var missing = missing
        if !supports(CLiburing_OP_BIND) { missing.insert(.bind) }
        if features & CLiburing_FEAT_MIN_TIMEOUT == 0 { missing.insert(.minWait) }
        // DEFER_TASKRUN (6.1) is younger than direct descriptors, multishot accept (5.19) and
        // multishot receive (6.0), and the oldest kernel that we support has it.
        let fallbacks = missing.names.map { name in
            masked.names.contains(name) ? "\(name): masked" : "\(name): not in this kernel"
        }
        return URingHub(
            ring: self, features: URingFeatures.all.subtracting(missing), fallbacks: fallbacks)
    }
}
