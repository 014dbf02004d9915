// After the proposed changes a run is no longer refused: for every wall that a sysctl moves.

import ConnectionEngine
import Testing

@testable import ConnectionBench

/// A machine on which only `change` is tight; its figures are of no real one.
private func tightMachine(_ change: (inout HostFacts) -> Void) -> HostFacts {
    var facts = HostFacts()
    facts.memoryTotalBytes = 1 << 50
    facts.openFilesHard = .at(1 << 20)
    facts.openFilesPerProcessMax = 1 << 20
    facts.systemFilesMax = 1 << 40
    facts.systemFilesUsed = 400
    facts.epollWatchesMax = 1 << 40
    facts.pidMax = 4_194_304
    facts.threadsMax = 1 << 29
    facts.threadsUsed = 123
    facts.mapsPerProcessMax = 1 << 30
    facts.effectiveUser = 1_000
    facts.capabilities = 0
    facts.localPortFirst = 32_768
    facts.localPortLast = 60_999
    facts.localPortsReserved = ""
    change(&facts)
    return facts
}

/// One wall: the machine on which it is the nearest, and how a change of its sysctl is made there.
private struct Case: CustomTestStringConvertible, Sendable {
    let resource: Wall.Resource
    let backend: BackendKind
    let sysctl: String
    var ports: SourcePorts = .planned
    let tighten: @Sendable (inout HostFacts) -> Void
    let set: @Sendable (inout HostFacts, [Int]) -> Void

    var testDescription: String { ports == .planned ? sysctl : "\(sysctl), --ports \(ports)" }

    static let all = [
        Case(resource: .processIDs, backend: .threads, sysctl: "kernel.pid_max") {
            $0.pidMax = 460
        } set: {
            $0.pidMax = $1[0]
        },
        Case(resource: .systemThreads, backend: .threads, sysctl: "kernel.threads-max") {
            $0.threadsMax = 160
        } set: {
            $0.threadsMax = $1[0]
        },
        Case(resource: .memoryMaps, backend: .threads, sysctl: "vm.max_map_count") {
            $0.mapsPerProcessMax = 1_000
        } set: {
            $0.mapsPerProcessMax = $1[0]
        },
        Case(resource: .systemFiles, backend: .uring, sysctl: "fs.file-max") {
            $0.systemFilesMax = 430
        } set: {
            $0.systemFilesMax = $1[0]
        },
        Case(resource: .epollWatches, backend: .epoll, sysctl: "fs.epoll.max_user_watches") {
            $0.epollWatchesMax = 20
        } set: {
            $0.epollWatchesMax = $1[0]
        },
        Case(
            resource: .conntrack, backend: .epoll, sysctl: "net.netfilter.nf_conntrack_max"
        ) {
            $0.conntrackMax = 50
            $0.conntrackCount = 33
        } set: {
            $0.conntrackMax = $1[0]
        },
        Case(
            resource: .ports, backend: .epoll, sysctl: "net.ipv4.ip_local_port_range",
            ports: .kernel, tighten: narrow, set: setRange),
        Case(
            resource: .ports, backend: .epoll, sysctl: "net.ipv4.ip_local_port_range",
            ports: .bind, tighten: narrow, set: setRange),
    ]

    private static let narrow: @Sendable (inout HostFacts) -> Void = {
        $0.localPortFirst = 60_000
        $0.localPortLast = 60_019
        $0.localPortsReserved = "60010,60100-60199,30000-39999"
    }
    private static let setRange: @Sendable (inout HostFacts, [Int]) -> Void = {
        $0.localPortFirst = $1[0]
        $0.localPortLast = $1[1]
    }

    func preflight(_ facts: HostFacts, workers: Int = 3) throws -> Preflight {
        var capacity = PortCapacity(
            connections: 1 << 40, limit: 1 << 40, origin: "the tuple plan", formula: "made up")
        if ports != .planned {
            capacity = try #require(
                PortCapacity(ports, facts: facts, listeners: 2, listenersInRange: true, taken: 5))
        }
        let calibration = Calibration(
            backend: backend, connections: 4_000, kernelBytesPerConnection: 8_000,
            userBytesPerConnection: 100, fixedBytes: 0, connectsPerSecond: 1,
            conntrackEntriesPerConnection: 1.5, seconds: 1)
        return Preflight(
            facts: facts, memoryAvailableBytes: 1 << 49, backend: backend, ports: capacity,
            calibration: resource == .conntrack ? calibration : nil, workers: workers)
    }
}

@Suite struct HostChangesTests {
    @Test(
        "after the change a fresh look refuses no more, and keeps its distance", arguments: Case.all
    )
    private func raises(wall: Case) throws {
        for connections in [25, 26, 100, 999, 12_345, 50_000] {
            var facts = tightMachine(wall.tighten)
            let before = try wall.preflight(facts)
            try #require(before.binding.resource == wall.resource)
            try #require(before.binding.connectionsMax < connections)

            let changes = before.changes(for: connections)
            try #require(changes.map(\.name) == [wall.sysctl])
            #expect(changes[0].change.raises)
            let values = changes[0].wanted.split(separator: " ").compactMap { Int($0) }
            // The sentence for people has the same figure.
            let remedy = before.remedy(for: before.binding, connections: connections)
            #expect(remedy.contains(changes[0].wanted), "\(remedy)")

            wall.set(&facts, values)
            let after = try wall.preflight(facts)
            #expect(after.refusals(for: connections) == [])
            #expect(after.binding.connectionsSafe >= connections)
            #expect(after.changes(for: connections) == [])
        }
    }

    @Test("where all fits nothing is changed", arguments: Case.all)
    private func nothing(wall: Case) throws {
        let preflight = try wall.preflight(tightMachine(wall.tighten))
        #expect(preflight.changes(for: preflight.binding.connectionsMax) == [])
    }

    @Test("a value that the kernel does not take is not proposed")
    func ends() throws {
        let facts = tightMachine { $0.pidMax = 32_768 }
        let threads = try Case.all[0].preflight(facts)
        #expect(threads.changes(for: 2_100_000) == [])
        let remedy = threads.remedy(for: threads.binding, connections: 2_100_000)
        #expect(remedy == "a backend without threads; kernel.pid_max ends at 4,194,304")

        let ports = Case.all[7]
        let bind = try ports.preflight(tightMachine(ports.tighten))
        // 64,512 less the reserved, what others have, and two listeners.
        let most = 64_512 - 10_101 - 5 - 2
        #expect(bind.changes(for: most).map(\.wanted) == ["1024 65535"])
        #expect(bind.changes(for: most + 1) == [])
    }

    @Test("a range grows upwards first")
    func upwards() throws {
        let ports = Case.all[7]
        let bind = try ports.preflight(tightMachine(ports.tighten))
        #expect(bind.changes(for: 100).map(\.wanted) == ["60000 60271"])
    }

    @Test("a climb towards memory passes what a sysctl moves by a quarter, and nothing else")
    func towards() throws {
        let facts = tightMachine {
            $0.pidMax = 500
            $0.threadsMax = 30_000
        }
        let preflight = Preflight(
            facts: facts, memoryAvailableBytes: 4 << 30, backend: .threads,
            ports: PortCapacity(
                connections: 1 << 40, limit: 1 << 40, origin: "the tuple plan", formula: "made up"),
            floorBytes: 1 << 30)
        let memory = try #require(preflight.walls.first { $0.resource == .memory }?.connectionsMax)
        let goal = memory + memory / 4
        let changes = preflight.changes(towards: .max)
        #expect(changes == preflight.changes(for: goal))
        #expect(Set(changes.map(\.name)) == ["kernel.pid_max", "kernel.threads-max"])
        // A number that fits is no reason to go further.
        #expect(preflight.changes(towards: 1_000) == preflight.changes(for: 1_000))
        #expect(preflight.changes(towards: 1_000).map(\.name) == ["kernel.pid_max"])
    }

    @Test("open files are explained, and fs.nr_open is raised where it is in the way")
    func openFiles() throws {
        let facts = tightMachine {
            $0.openFilesHard = .at(1_000)
            $0.openFilesPerProcessMax = 1_500
        }
        let preflight = try Case.all[4].preflight(facts)
        #expect(preflight.openFiles(for: 936 * 512, facts: facts) == nil)
        let few = try #require(preflight.openFiles(for: 1_100 * 512, facts: facts))
        #expect(few.limit.wanted == 1_164 && few.limit.perProcessMax == 1_500 && few.change == nil)
        #expect(few.limit.user == "*")
        let many = try #require(preflight.openFiles(for: 2_000 * 512, facts: facts))
        #expect(many.limit.wanted == 2_064 && many.limit.perProcessMax == 2_064)
        #expect(many.change?.change == SysctlChange(name: "fs.nr_open", old: "1500", new: "2064"))
        // Once it is set, they fit.
        let after = try Case.all[4].preflight(tightMachine { $0.openFilesHard = .at(2_064) })
        #expect(after.refusals(for: 2_000 * 512) == [])
    }
}

@Suite struct DemandTests {
    @Test(
        "the limit for a number of connections is the smallest that allows them",
        arguments: [(0, 2, 1), (17, 2, 1), (1_000, 2.01, 512), (5, 1, 3), (9, 0.3, 1)])
    func smallest(taken: Int, perConnection: Double, parts: Int) {
        let demand = Demand(taken: taken, perConnection: perConnection, parts: parts)
        for connections in [1, 2, 3, 7, 100, 511, 512, 513, 99_999] {
            let limit = demand.limit(for: connections)
            #expect(demand.connections(within: limit) >= connections)
            #expect(demand.connections(within: limit - 1) < connections)
        }
        #expect(demand.connections(within: taken) == 0)
    }

    @Test("what a climb keeps for others is in the wall that it needs")
    func kept() {
        for resource in [Wall.Resource.processIDs, .systemThreads, .systemFiles, .memoryMaps] {
            for connections in [0, 1, 14, 15, 16, 999, 15_360, 16_384, 40_000] {
                let needed = HostSafety.wallNeeded(for: connections, of: resource)
                let wall = Wall(
                    resource: resource, connectionsMax: needed, limit: 1, origin: "", formula: "")
                #expect(needed - HostSafety.connectionsKept(before: wall) >= connections)
                let back = HostSafety.connections(before: needed, of: resource)
                #expect(HostSafety.wallNeeded(for: back, of: resource) <= needed)
            }
        }
    }
}
