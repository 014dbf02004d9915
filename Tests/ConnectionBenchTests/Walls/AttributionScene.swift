// Made-up machines and sights, for a verdict to be made from.

import ConnectionEngine

@testable import ConnectionBench

let gibibyte = 1 << 30

/// A machine with room for everything, and an ordinary user.
func roomyMachine(_ change: (inout HostFacts) -> Void = { _ in }) -> HostFacts {
    var facts = HostFacts()
    facts.memoryTotalBytes = 25_276_502_016
    facts.openFilesHard = .at(20_000)
    facts.userThreadsSoft = .at(96_365)
    facts.systemFilesMax = 2_466_170
    facts.systemFilesUsed = 379
    facts.epollWatchesMax = 5_491_511
    facts.pidMax = 32_768
    facts.threadsMax = 192_730
    facts.threadsUsed = 83
    facts.mapsPerProcessMax = 65_530
    facts.netdevMaxBacklog = 1_000
    facts.tcpMemoryPages = [287_898, 383_867, 575_796]
    facts.effectiveUser = 1_000
    facts.capabilities = 0
    change(&facts)
    return facts
}

/// 10,000 connections of 20,000, all accepted, and plenty of everything.
func seen(_ backend: BackendKind = .epoll, _ change: (inout Evidence) -> Void) -> Evidence {
    var evidence = Evidence(backend: backend)
    evidence.clientOpen = 10_000
    evidence.serverOpen = 10_000
    evidence.target = 20_000
    evidence.server.turns = 1_000
    evidence.client.turns = 1_000
    evidence.memoryUsableBytes = 10 * gibibyte
    evidence.memoryFloorBytes = 2 * gibibyte
    evidence.serverDescriptors = 10_020
    evidence.clientDescriptors = 10_020
    evidence.systemFilesUsed = 20_400
    evidence.threadsUsed = 90
    change(&evidence)
    return evidence
}

extension Evidence {
    func stop(_ facts: HostFacts = roomyMachine(), _ preflight: Preflight? = nil) -> Verdict {
        Attribution(facts: facts, evidence: self, preflight: preflight).stop
    }

    func loss(_ facts: HostFacts = roomyMachine()) -> Verdict {
        Attribution(facts: facts, evidence: self, preflight: nil).loss
    }

    mutating func failed(_ errno: String, _ count: Int = 1_001) {
        connectErrors[errno] = count
    }

    /// The same on both sides, as in one namespace.
    mutating func counted(_ counters: [String: Int]) {
        serverNetwork = counters
        clientNetwork = counters
    }

    mutating func governed(
        _ trigger: GovernorTransition.Trigger, _ text: String = "the figure and its bound"
    ) {
        governor = GovernorTransition(
            from: "green", to: "amber", trigger: trigger, text: text, seconds: 3,
            connections: clientOpen)
    }
}

func plannedWall(_ connections: Int, _ facts: HostFacts = roomyMachine()) -> Preflight {
    Preflight(
        facts: facts, memoryAvailableBytes: 20 * gibibyte, backend: .epoll,
        ports: PortCapacity(
            connections: connections, limit: connections, origin: PortCapacity.plannedOrigin,
            formula: "source addresses x usable ports, each pair once"))
}

func kernelWall(_ facts: HostFacts = roomyMachine()) throws -> Preflight {
    var facts = facts
    facts.localPortFirst = 30_000
    facts.localPortLast = 30_199
    let ports = PortCapacity(
        .kernel, facts: facts, listeners: 1, listenersInRange: false, taken: 0)
    return Preflight(
        facts: facts, memoryAvailableBytes: 20 * gibibyte, backend: .epoll, ports: ports!)
}
