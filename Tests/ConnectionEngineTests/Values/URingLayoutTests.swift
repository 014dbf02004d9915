// How connections map to rings, and how many slots stay free for accepting.

import Glibc
import Testing

@testable import ConnectionEngine

@Suite struct URingLayoutTests {
    private func layout(
        connections: UInt32, slots: UInt32 = 20_000, listeners: Int = 0, backlog: UInt32 = 4_096,
        isDirect: Bool = true
    ) -> URingLayout {
        var limits = Limits()
        limits.connections = connections
        limits.ringSlots = slots
        return URingLayout(
            limits: limits, listeners: listeners, backlog: backlog, isDirect: isDirect)
    }

    @Test("without listeners every slot is ours and one ring is enough")
    func withoutListeners() {
        let layout = layout(connections: 1_000)
        #expect(layout.acceptRings == 0)
        #expect(layout.ringsMax == 1)
        #expect(layout.kernelNamed == 0)
        #expect(layout.indexLimit == 1_000)
    }

    @Test("an index says its ring and its slot")
    func places() {
        let layout = layout(connections: 1_000, slots: 64)
        #expect(layout.ringsMax == 16)
        #expect(layout.ring(of: 0) == 0 && layout.directSlot(of: 0) == 0)
        #expect(layout.ring(of: 63) == 0 && layout.directSlot(of: 63) == 63)
        #expect(layout.ring(of: 64) == 1 && layout.directSlot(of: 64) == 0)
        #expect(layout.ring(of: 999) == 15 && layout.directSlot(of: 999) == 39)
    }

    @Test("there is always a ring with room for the next listener")
    func room() {
        for connections in [1, 10, 64, 100, 2_048, 20_000, 500_000] as [UInt32] {
            for slots in [16, 64, 100, 1_000, 20_000] as [UInt32] {
                for listeners in [1, 2, 3, 6, 20] {
                    let backlog = min(4_096, max(slots / UInt32(4 * listeners), 8))
                    let layout = layout(
                        connections: connections, slots: slots, listeners: listeners,
                        backlog: backlog)
                    let reserved = UInt32(listeners) * layout.acceptReserve
                    // An empty ring takes all listeners.
                    if listeners < slots { #expect(layout.acceptReserve >= 1 || slots < 20) }
                    #expect(reserved < layout.slotsPerRing)
                    // Rings that have no room for one more listener hold all connections together.
                    let usable = layout.slotsPerRing - reserved
                    #expect(UInt64(layout.acceptRings) * UInt64(usable) >= UInt64(connections))
                    #expect(layout.kernelNamed == UInt32(layout.acceptRings) * layout.slotsPerRing)
                    #expect(layout.indexLimit == layout.kernelNamed + connections)
                    #expect(layout.ring(of: layout.indexLimit - 1) < layout.ringsMax)
                }
            }
        }
    }

    @Test("an accept ring keeps what a listener's queue can bring")
    func reserve() {
        let layout = layout(connections: 10_000, listeners: 1, backlog: 1_000)
        #expect(layout.acceptReserve >= 1_000)
        #expect(layout.acceptRings == 1)
    }

    @Test("where the process's limit makes the tables small, clients are accepted one by one")
    func small() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 400, rlim_max: 400)
            precondition(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            let limits = Limits()
            func layout(_ connections: UInt32) -> URingLayout {
                var limits = limits
                limits.connections = connections
                return URingLayout(limits: limits, listeners: 1, backlog: 100, isDirect: true)
            }
            precondition(layout(10_000).slotsPerRing == 400 && layout(10_000).acceptsSingly)
            // A table for all of them and a queue beside needs no such care.
            precondition(layout(100).slotsPerRing == 266 && !layout(100).acceptsSingly)
        }
        #expect(!layout(connections: 10_000, slots: 64, listeners: 1, backlog: 16).acceptsSingly)
    }

    @Test("plain descriptors need one ring, and places for those who come beyond the limit")
    func plain() {
        let layout = layout(connections: 1_000, listeners: 2, backlog: 100, isDirect: false)
        #expect(layout.ringsMax == 1)
        #expect(layout.acceptRings == 0)
        #expect(layout.kernelNamed == 0)
        #expect(layout.ring(of: 999_999) == 0)
        #expect(layout.indexLimit >= 1_000 + 2 * 100)
    }
}
