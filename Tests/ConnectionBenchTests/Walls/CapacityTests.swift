// From ports, reserves and costs to numbers of connections.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct PortCapacityTests {
    private func facts(_ first: Int? = 30_000, _ last: Int? = 30_199, reserved: String? = nil)
        -> HostFacts
    {
        var facts = HostFacts()
        facts.localPortFirst = first
        facts.localPortLast = last
        facts.localPortsReserved = reserved
        return facts
    }

    @Test(
        "ports of a list within a range",
        arguments: [
            ("", 0), ("30000", 1), ("29999", 0), ("30199", 1), ("30200", 0),
            ("8080,30005,30010-30019", 11), ("29000-30009", 10), ("30190-40000", 10),
            ("1-65535", 200), ("30010-30001", 0), ("nonsense", 0), ("a-b,30001", 1),
        ])
    func portCount(list: String, count: Int) {
        #expect(PortCapacity.portCount(of: list, within: 30_000...30_199) == count)
    }

    @Test("connect(2) chooses among all free ports for each destination")
    func kernel() throws {
        let ports = try #require(
            PortCapacity(
                .kernel, facts: facts(reserved: "30000-30009"), listeners: 4,
                listenersInRange: true, taken: 6))
        #expect(ports.connections == (200 - 10 - 6 - 4) * 4)
        #expect(ports.limit == 200)
        #expect(ports.origin == "/proc/sys/net/ipv4/ip_local_port_range")
        #expect(
            ports.formula
                == "(200 ports - 10 reserved - 6 in use - 4 of our listeners) x 4 destinations")
    }

    @Test("bind(2) chooses once for all destinations")
    func bind() throws {
        let ports = try #require(
            PortCapacity(.bind, facts: facts(), listeners: 4, listenersInRange: false, taken: 0))
        #expect(ports.connections == 200 && ports.formula == "200 ports")
    }

    @Test("a range that is full has no room, and an unknown or empty one says nothing")
    func none() {
        #expect(
            PortCapacity(.kernel, facts: facts(), listeners: 1, listenersInRange: true, taken: 300)?
                .connections == 0)
        for facts in [facts(nil, 1), facts(1, nil), facts(2, 1)] {
            #expect(
                PortCapacity(
                    .kernel, facts: facts, listeners: 1, listenersInRange: true, taken: 0) == nil)
        }
    }

    @Test("a plan has its addresses times its ports")
    func planned() throws {
        let plan = try TuplePlan(
            connections: 0,
            sources: SourceRange(seed: 1, ports: 20_000...20_099, addressesMax: 3),
            destinations: [.loopback(port: 1)])
        let wall = PortCapacity(planned: plan).wall
        #expect(wall.connectionsMax == 300 && wall.limit == 300 && wall.resource == .ports)
        #expect(wall.origin == "the tuple plan")
    }

    @Test("addresses of the benchmark network never end in 0 or 255")
    func benchmarkNetwork() {
        let network = SourceNetwork.benchmark
        #expect(network.addressCount == 65_024)
        #expect(network.address(at: 0) == 0xc613_0001)
        #expect(network.address(at: 253) == 0xc613_00fe)
        #expect(network.address(at: 254) == 0xc613_0101)
        #expect(network.address(at: 65_023) == 0xc613_fffe)
    }
}

@Suite struct ConnectionsKeptTests {
    private func kept(_ resource: Wall.Resource, _ connections: Int) -> Int {
        HostSafety.connectionsKept(
            before: Wall(
                resource: resource, connectionsMax: connections, limit: 1, origin: "", formula: ""))
    }

    @Test("of what the host's other programs need a sixteenth is left, and a bound of it")
    func shared() {
        #expect(kept(.processIDs, 16_192) == 1_012)
        #expect(kept(.processIDs, 1_000_000) == 1_024)
        #expect(kept(.systemThreads, 96_323) == 1_024)
        #expect(kept(.systemFiles, 1_232_895) == 2_048)
        #expect(kept(.systemFiles, 1_600) == 100)
        #expect(kept(.processIDs, 15) == 0)
    }

    @Test("a control group keeps room for two threads at least")
    func controlGroup() {
        #expect(kept(.controlGroupThreads, 20) == 2)
        #expect(kept(.controlGroupThreads, 320) == 20)
        #expect(kept(.controlGroupThreads, 1_000_000) == 1_024)
        // Where even that is not there, nothing is safe.
        let tiny = Wall(
            resource: .controlGroupThreads, connectionsMax: 1, connectionsKept: 2, limit: 2,
            origin: "", formula: "")
        #expect(tiny.connectionsSafe == 0)
    }

    @Test("what is this run's own is used up", arguments: Wall.Resource.allCases)
    func own(resource: Wall.Resource) {
        let isShared = [
            .processIDs, .systemThreads, .controlGroupThreads, .systemFiles, .epollWatches,
        ].contains(resource)
        #expect((kept(resource, 100_000) > 0) == isShared)
        let wall = Wall(
            resource: resource, connectionsMax: 1, limit: 1, origin: "", formula: "")
        if wall.isOurs { #expect(!isShared) }
        #expect(!resource.title.isEmpty)
    }

    @Test("the nearest wall is the one that is nearest after what is kept")
    func order() {
        let facts = roomyMachine {
            $0.pidMax = 32_768
            $0.controlGroupPids = ControlGroupLimit(
                limit: .at(32_000), used: 100, path: "/g/pids.max")
            $0.capabilities = 0x1ff_ffff_ffff
        }
        let preflight = Preflight(
            facts: facts, memoryAvailableBytes: 20 * gibibyte, backend: .threads,
            ports: PortCapacity(connections: 15_100, limit: 1, origin: "made up", formula: ""))
        // (32,000 - 100 - 7) / 2 = 15,946, less 996; ports end at 15,100 exactly.
        #expect(preflight.binding.resource == .controlGroupThreads)
        #expect(preflight.binding.connectionsMax == 15_946)
        #expect(preflight.binding.connectionsSafe == 14_950)
        #expect(preflight.walls[1].resource == .ports)
    }
}

@Suite struct PredictionTests {
    @Test("a prediction says what is left to others, and how wrong it was")
    func prediction() throws {
        var prediction = Prediction(
            Wall(
                resource: .processIDs, connectionsMax: 16_192, connectionsKept: 1_012,
                limit: 32_768, origin: "/proc/sys/kernel/pid_max", formula: "83 in use"))
        #expect(prediction.wall == .processIDs && prediction.connections == 15_180)
        #expect(
            prediction.formula
                == "/proc/sys/kernel/pid_max is 32,768; 83 in use; 1,012 left to others")
        #expect(prediction.errorPercent == nil)
        prediction.reached = 15_180
        #expect(prediction.errorPercent == 0)
        prediction.reached = 14_421
        #expect(prediction.errorPercent == -5)
        prediction.connections = 0
        #expect(prediction.errorPercent == nil)
    }

    @Test("nothing is said of others where nothing is left to them")
    func own() {
        let prediction = Prediction(
            Wall(
                resource: .memory, connectionsMax: 5, limit: 20_000_000_000, origin: "MemAvailable",
                formula: "f"))
        #expect(prediction.formula == "MemAvailable is 18.6 GiB; f")
    }
}

@Suite struct CalibratedPreflightTests {
    private func preflight(
        _ calibration: Calibration, _ facts: HostFacts = roomyMachine(),
        available: Int = 20_000_000_000, backend: BackendKind = .uring
    ) -> Preflight {
        Preflight(
            facts: facts, memoryAvailableBytes: available, backend: backend,
            ports: PortCapacity(
                connections: 1_000_000_000, limit: 1, origin: "made up", formula: ""),
            floorBytes: 2_000_000_000, calibration: calibration)
    }

    private func wall(_ preflight: Preflight, _ resource: Wall.Resource) throws -> Wall {
        try #require(preflight.walls.first { $0.resource == resource })
    }

    @Test("measured costs take the place of the table's")
    func memory() throws {
        let preflight = preflight(calibration(kernel: 7_000, user: 1_000, fixed: 100_000_000))
        let memory = try wall(preflight, .memory)
        #expect(memory.connectionsMax == 17_900_000_000 / 8_000)
        #expect(
            memory.formula
                == "18.6 GiB less a floor of 1.9 GiB and 95.4 MiB for the processes, by 8,000 B per"
                + " connection")
    }

    @Test("where many processes are needed, each connection pays its part of them")
    func processes() throws {
        let preflight = preflight(
            calibration(kernel: 7_000, user: 1_000, fixed: 100_000_000), backend: .epoll)
        let memory = try wall(preflight, .memory)
        let share = 100_000_000 / ProcessGroup.workers(processes: 1) / 19_936
        #expect(memory.connectionsMax == 17_900_000_000 / (8_000 + share))
        #expect(memory.formula.hasSuffix("\(share) of it for a process to 19,936"))
    }

    @Test("what has to be freed contains the floor and what the processes take")
    func remedy() throws {
        let preflight = preflight(
            calibration(kernel: 8_000, user: 0, fixed: 4_000_000_000), available: 10_000_000_000)
        let memory = try wall(preflight, .memory)
        #expect(memory.connectionsMax == 500_000)
        // 1,000,000 x 8,000 B + 2 GB + 4 GB, of which 10 GB are there.
        #expect(
            preflight.remedy(for: memory, connections: 1_000_000)
                == "free 3.7 GiB, or at most 500,000 connections")
        #expect(
            preflight.remedy(for: memory, connections: 500_001).hasPrefix("free 8,000 B, or"))
    }

    @Test("a control group counts what is charged to it")
    func controlGroup() throws {
        let facts = roomyMachine {
            $0.controlGroupMemory = ControlGroupLimit(
                limit: .at(400_000_000), used: 68_000_000, path: "/g/memory.max")
        }
        let measured = try wall(
            preflight(calibration(charged: 5_000, fixed: 50_000_000), facts), .controlGroupMemory)
        // Less a floor of 8 %.
        #expect(measured.connectionsMax == (332_000_000 - 32_000_000 - 50_000_000) / 5_000)
        let table = try wall(preflight(calibration(), facts), .controlGroupMemory)
        #expect(table.connectionsMax == 300_000_000 / (8_250 - 2_521))
    }

    @Test("conntrack is a wall only where connections were seen in it")
    func conntrack() throws {
        let facts = roomyMachine {
            $0.conntrackMax = 262_144
            $0.conntrackCount = 2_144
        }
        #expect(
            try wall(preflight(calibration(conntrack: 1), facts), .conntrack).connectionsMax
                == 260_000)
        #expect(
            try wall(preflight(calibration(conntrack: 2), facts), .conntrack).connectionsMax
                == 130_000)
        for entries in [0, nil] as [Double?] {
            let walls = preflight(calibration(conntrack: entries), facts).walls
            #expect(!walls.contains { $0.resource == .conntrack })
        }
    }
}
