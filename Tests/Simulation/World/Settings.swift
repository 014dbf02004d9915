// Everything that a seed decides about a simulation, as plain values.

import Glibc

struct SimulationSettings {
    var seed: UInt64
    var clientBackend = BackendKind.uring
    var serverBackend = BackendKind.uring
    var clientLimits = Limits()
    var serverLimits = Limits()
    var idleMode = IdleMode.adaptive
    var maskedFeatures: URingFeatures = []
    var reusesSourcePorts = true
    /// Connections that the client opens in all, and how many it keeps at once.
    var connections = 24
    var atOnce = 8
    var messagesMax = 6
    var messageBytesMax = 96
    var backlog: UInt32 = 16
    /// Nanoseconds that a segment takes at most; 0: loopback.
    var delayMax = 0
    var window = 2_048
    /// A send may be taken in part when there is little room.
    var splitsSends = true
    /// Descriptors of each process.
    var descriptors = 512
    /// Direct descriptors of each ring.
    var directLimit: UInt64 = 512
    /// Turns with faults; then they end, and everything has to drain.
    var faultTurns = 1_500
    /// The client's plan must be done by then.
    var mustFinish = false
    var faults = Faults.none
    /// The server sends back what it receives; else it only reads.
    var echoes = true
    /// Handlers do odd but legal things: operations on connections that have gone, closing twice.
    var isOdd = true

    /// Draws the settings and faults of a seed.
    init(seed: UInt64) {
        self.seed = seed
        var chance = SimulatedChance(seed: seed)
        faults = Faults.swarm(&chance)
        clientBackend = chance.once(in: 3) ? .epoll : .uring
        serverBackend = chance.once(in: 3) ? .epoll : .uring
        idleMode = chance.pick([.adaptive, .adaptive, .receive, .receive, .poll])
        for feature: URingFeatures in [
            .deferTaskRun, .directDescriptors, .multishotAccept, .multishotReceive, .bind, .minWait,
        ] where chance.once(in: 8) { maskedFeatures.insert(feature) }
        reusesSourcePorts = chance.once(in: 2)
        connections = chance.within(4...40)
        atOnce = chance.within(1...12)
        messagesMax = chance.within(1...10)
        messageBytesMax = chance.pick([8, 32, 96, 300])
        backlog = UInt32(chance.pick([1, 4, 16]))
        delayMax = chance.pick([0, 0, 20_000, 2_000_000])
        window = chance.pick([64, 512, 4_096])
        splitsSends = chance.once(in: 2)
        descriptors = chance.once(in: 4) ? chance.within(12...24) : 512
        directLimit = UInt64(chance.pick([16, 24, 64, 512]))
        clientLimits = SimulationSettings.limits(&chance)
        serverLimits = SimulationSettings.limits(&chance)
        isOdd = chance.once(in: 2)
        echoes = !chance.once(in: 5)
        if chance.once(in: 6) { drawCrowd(&chance) }
    }

    /// Many at once on rings of few slots with short queues: what only further rings meet.
    private mutating func drawCrowd(_ chance: inout SimulatedChance) {
        connections = chance.within(40...80)
        atOnce = chance.within(30...40)
        messageBytesMax = 32
        // Early enough that a crowd is there to be closed at once.
        faultTurns = chance.within(50...500)
        directLimit = 16
        descriptors = 512
        for side in [\SimulationSettings.clientLimits, \SimulationSettings.serverLimits] {
            self[keyPath: side].connections = 40
            self[keyPath: side].buffers = 64
            self[keyPath: side].bufferByteCount = 64
            self[keyPath: side].submissionEntries = 4
            self[keyPath: side].completionEntries = 8
            self[keyPath: side].ringSlots = 16
        }
    }

    private static func limits(_ chance: inout SimulatedChance) -> Limits {
        var limits = Limits()
        limits.connections = UInt32(chance.pick([2, 7, 12, 40]))
        limits.buffers = UInt32(chance.pick([2, 3, 8, 16, 64]))
        limits.bufferByteCount = UInt32(chance.pick([16, 64, 256]))
        limits.submissionEntries = UInt32(chance.pick([4, 4, 8, 64]))
        limits.completionEntries =
            limits.submissionEntries * UInt32(chance.pick([2, 2, 8]))
        limits.completionsPerTurn = UInt32(chance.pick([2, 3, 16, 64]))
        limits.ringSlots = UInt32(chance.pick([16, 16, 20, 64]))
        limits.ringBuffers = UInt32(chance.pick([2, 4, 16]))
        limits.hotConnections = UInt32(chance.pick([1, 4, 64]))
        return limits
    }
}
