// The promises about a connection's life, checked event by event at a million connections' pace.

import ConnectionEngine

/// Which connection each slot holds now, and what was wrong: promises 2 and 4.
struct Lifetimes {
    private struct Slot {
        /// The newest connection in it; -1: none so far.
        var generation: Int64 = -1
        var isOpen = false
    }

    private var slots: [Slot] = []
    private(set) var opened = 0
    /// Of those that were opened.
    private(set) var closed = 0
    /// Connects that have failed.
    private(set) var failed = 0
    private(set) var closedBy: [CloseReason: Int] = [:]
    /// Events that must not have come, in words; the first few.
    private(set) var violations: [String] = []

    var open: Int { opened - closed }
    /// Connections that have ended, however far they had come.
    var ended: Int { closed + failed }

    mutating func note(_ event: Completion) {
        switch event {
        case .accepted(let id), .connected(let id): begin(id, event)
        case .received(let id, _, _), .sent(let id):
            if !isCurrent(id) { blame(event) }
        case .closed(let id, let reason):
            // A connect that failed was never opened.
            if isCurrent(id) {
                closed += 1
                slots[Int(id.index)].isOpen = false
            } else if !isNew(id) {
                blame(event)
            } else {
                take(id, isOpen: false)
                failed += 1
            }
            closedBy[reason, default: 0] += 1
        }
    }

    private mutating func begin(_ id: ConnectionID, _ event: Completion) {
        if !isNew(id) { blame(event) }
        take(id, isOpen: true)
        opened += 1
    }

    private mutating func take(_ id: ConnectionID, isOpen: Bool) {
        while slots.count <= Int(id.index) { slots.append(Slot()) }
        slots[Int(id.index)] = Slot(generation: Int64(id.generation), isOpen: isOpen)
    }

    private func isCurrent(_ id: ConnectionID) -> Bool {
        Int(id.index) < slots.count && slots[Int(id.index)].isOpen
            && slots[Int(id.index)].generation == Int64(id.generation)
    }

    /// Later than everything that its slot has held. (A generation of 24 bits wraps after 16
    /// million connections in one slot, which no drill reaches.)
    private func isNew(_ id: ConnectionID) -> Bool {
        guard Int(id.index) < slots.count else { return true }
        let slot = slots[Int(id.index)]
        return !slot.isOpen && Int64(id.generation) > slot.generation
    }

    private mutating func blame(_ event: Completion) {
        if violations.count < 20 { violations.append("\(event)") }
    }
}

/// What a handler of a drill tells the test.
struct DrillReport {
    var lifetimes = Lifetimes()
    var freeBuffers = -1
    var isDone = false
    /// Wrong bytes, and what else is not about lifetimes.
    var failures: [String] = []
}
