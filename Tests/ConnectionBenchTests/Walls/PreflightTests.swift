// The walls of made-up machines, with exact numbers.

import ConnectionEngine
import Testing

@testable import ConnectionBench

/// The development machine: 20,000 descriptors, 24 GiB, privileged.
private func developmentMachine() -> HostFacts {
    var facts = HostFacts()
    facts.memoryTotalBytes = 25_276_502_016
    facts.openFilesSoft = .at(1_024)
    facts.openFilesHard = .at(20_000)
    facts.openFilesPerProcessMax = 1_048_576
    facts.userThreadsSoft = .at(96_365)
    facts.systemFilesMax = 2_466_170
    facts.systemFilesUsed = 379
    facts.epollWatchesMax = 5_491_511
    facts.pidMax = 32_768
    facts.threadsMax = 192_730
    facts.threadsUsed = 83
    facts.mapsPerProcessMax = 65_530
    facts.effectiveUser = 0
    facts.capabilities = 0x1ff_feff_ffff
    return facts
}

private func preflight(
    _ backend: BackendKind, _ facts: HostFacts = developmentMachine(),
    available: Int = 25_020_981_248, ports: Int = 1_000_000_000
) -> Preflight {
    Preflight(
        facts: facts, memoryAvailableBytes: available, backend: backend,
        ports: PortCapacity(
            connections: ports, limit: ports, origin: "the tuple plan", formula: "made up"))
}

extension Preflight {
    fileprivate func wall(_ resource: Wall.Resource) -> Wall? {
        walls.first { $0.resource == resource }
    }
}

@Suite struct PreflightTests {
    @Test("a connection's memory is the sum of its terms", arguments: BackendKind.allCases)
    func cost(backend: BackendKind) {
        let expected =
            switch backend {
            case .uring: 2 * 3_829 + 144 + 256 + 2 * 32 + 2 * 64
            case .epoll: 2 * 3_829 + 144 + 2 * 208 + 2 * 64
            case .threads: 2 * 3_829 + 144 + 2 * 34_000
            }
        #expect(ConnectionCost(backend).bytesPerConnection == expected)
    }

    @Test("the floor is 8 % of the machine, at least 1 GiB")
    func floor() {
        #expect(Preflight.floorBytes(memoryTotalBytes: 25_276_502_016) == 2_022_120_160)
        #expect(Preflight.floorBytes(memoryTotalBytes: 4 << 30) == 1 << 30)
        #expect(Preflight.floorBytes(memoryTotalBytes: nil) == 1 << 30)
    }

    @Test("io_uring holds 500,000 connections here in one process, and ends at memory")
    func uringDevelopmentMachine() {
        let preflight = preflight(.uring)
        #expect(preflight.refusals(for: 500_000).isEmpty)
        #expect(preflight.processesPerSide(for: 500_000) == 1)
        #expect(preflight.binding.resource == .memory)
        #expect(preflight.binding.connectionsMax == (25_020_981_248 - 2_022_120_160) / 8_250)
        #expect(preflight.wall(.descriptors)?.connectionsMax == 19_936 * 20_000 * 512)
    }

    @Test("memory is refused with its numbers and what is missing")
    func memoryRefusal() throws {
        let lines = preflight(.uring).refusals(for: 3_000_000)
        try #require(lines.count == 1)
        #expect(
            lines[0] == "uring cannot hold 3,000,000 connections: MemAvailable of /proc/meminfo is "
                + "23.3 GiB and allows 2,787,740 (23.3 GiB less a floor of 1.9 GiB, by 8,250 B per "
                + "connection). Remedy: free 1.6 GiB, or at most 2,787,740 connections")
    }

    @Test("less available memory than the floor allows no connection")
    func belowFloor() {
        #expect(preflight(.epoll, available: 1 << 29).binding.connectionsMax == 0)
    }

    @Test("epoll with 500,000 connections needs 26 processes per side under 20,000 descriptors")
    func epollProcesses() {
        let preflight = preflight(.epoll)
        #expect(preflight.refusals(for: 500_000).isEmpty)
        #expect(preflight.processesPerSide(for: 500_000) == 26)
        #expect(preflight.processesPerSide(for: 19_936) == 1)
        #expect(preflight.processesPerSide(for: 19_937) == 2)
        #expect(preflight.processesPerSide(for: 0) == 1)
        #expect(preflight.socketsPerProcess == 19_936)
        #expect(preflight.wall(.descriptors)?.connectionsMax == 19_936 * 512)
        #expect(preflight.wall(.epollWatches)?.connectionsMax == 2_745_755)
    }

    @Test("epoll under 1,024 descriptors is refused above 512 processes, with the limit needed")
    func epollFewDescriptors() throws {
        var facts = developmentMachine()
        facts.openFilesHard = .at(1_024)
        let preflight = preflight(.epoll, facts)
        #expect(preflight.binding.connectionsMax == 960 * 512)
        #expect(preflight.processesPerSide(for: 491_520) == 512)
        #expect(preflight.processesPerSide(for: 491_521) == nil)
        let lines = preflight.refusals(for: 500_000)
        try #require(lines.count == 1)
        #expect(
            lines[0] == "epoll cannot hold 500,000 connections: RLIMIT_NOFILE (hard) is 1,024 and "
                + "allows 491,520 ((1,024 - 64 spare) sockets x 512 processes per side). "
                + "Remedy: ulimit -Hn 1041 (systemd: LimitNOFILE=), or --backend uring")
    }

    @Test("threads with 500,000 connections are refused by pid_max, which allows 16,189")
    func threadsDevelopmentMachine() throws {
        let preflight = preflight(.threads)
        #expect(preflight.binding.resource == .processIDs)
        #expect(preflight.binding.connectionsMax == (32_768 - 300 - 83 - 7) / 2)
        #expect(preflight.wall(.systemThreads)?.connectionsMax == (192_730 - 83 - 7) / 2)
        #expect(preflight.wall(.memoryMaps)?.connectionsMax == 32_104 * 512)
        #expect(preflight.wall(.memory)?.connectionsMax == 303_407)
        #expect(preflight.wall(.userThreads) == nil)

        let lines = preflight.refusals(for: 500_000)
        try #require(lines.count == 3)
        #expect(
            lines[0] == "threads cannot hold 500,000 connections: /proc/sys/kernel/pid_max is "
                + "32,768 and allows 16,189 (300 reserved, 83 in use, 7 of the run itself, "
                + "2 threads per connection). "
                + "Remedy: sysctl -w kernel.pid_max=1002438, or a backend without threads")
        // 2 x (500,000 + 1,024 that are kept for others), and what is taken.
        #expect(lines[1].contains("kernel.threads-max=1002138"))
        #expect(lines[2].contains("MemAvailable"))
    }

    @Test("a thread's process is bound by descriptors or by mappings, whichever is fewer")
    func threadsPerProcess() {
        #expect(preflight(.threads).processesPerSide(for: 39_872) == 2)
        var facts = developmentMachine()
        facts.openFilesHard = .at(1_000_000)
        #expect(preflight(.threads, facts).socketsPerProcess == 32_104)
        #expect(preflight(.threads, facts).processesPerSide(for: 32_105) == 2)
    }

    @Test("pid_max ends at 4,194,304, so that the remedy for more is another backend")
    func pidMaxEnd() {
        let lines = preflight(.threads).refusals(for: 2_100_000)
        #expect(lines[0].hasSuffix("a backend without threads; kernel.pid_max ends at 4,194,304"))
    }

    @Test("an unprivileged user is bound by file-max and by the user's threads")
    func unprivileged() {
        var facts = developmentMachine()
        facts.effectiveUser = 1_000
        facts.capabilities = 0
        #expect(preflight(.uring, facts).wall(.systemFiles)?.connectionsMax == 1_232_895)
        #expect(preflight(.uring).wall(.systemFiles) == nil)
        // Those of the user count, not those of the machine.
        #expect(preflight(.threads, facts).wall(.userThreads) == nil)
        facts.userThreadsUsed = 20
        #expect(
            preflight(.threads, facts).wall(.userThreads)?.connectionsMax == (96_365 - 20 - 7) / 2)
        #expect(preflight(.uring, facts).binding.resource == .systemFiles)
        #expect(
            preflight(.uring, facts).refusals(for: 2_000_000).first?
                .hasSuffix("sysctl -w fs.file-max=4004475") == true)
    }

    @Test("a control group's limits are walls of their own")
    func controlGroup() {
        var facts = developmentMachine()
        facts.controlGroupPids = ControlGroupLimit(limit: .at(500), used: 100, path: "/g/pids.max")
        facts.controlGroupMemory = ControlGroupLimit(
            limit: .at(57_290_000), used: 0, path: "/g/memory.max")
        #expect(preflight(.threads, facts).binding.resource == .controlGroupThreads)
        #expect(preflight(.threads, facts).binding.connectionsMax == (500 - 100 - 7) / 2)
        #expect(preflight(.uring, facts).binding.resource == .controlGroupMemory)
        // A floor of 16 MiB stays free.
        #expect(
            preflight(.uring, facts).binding.connectionsMax == (57_290_000 - 16_777_216) / 5_729)
        facts.controlGroupPids = ControlGroupLimit(limit: .unlimited, used: 9, path: "/g/pids.max")
        #expect(preflight(.threads, facts).wall(.controlGroupThreads) == nil)
    }

    @Test("the ports of the plan are a wall")
    func ports() {
        let preflight = preflight(.uring, ports: 28_232)
        #expect(preflight.binding.resource == .ports)
        #expect(preflight.refusals(for: 28_232).isEmpty)
        #expect(preflight.refusals(for: 28_233).first?.contains("28,232") == true)
    }

    @Test("a process without spare descriptors holds nothing")
    func noSpareDescriptors() {
        var facts = developmentMachine()
        facts.openFilesHard = .at(64)
        for backend in BackendKind.allCases {
            #expect(preflight(backend, facts).binding.connectionsMax == 0)
        }
        #expect(preflight(.epoll, facts).processesPerSide(for: 1) == nil)
    }

    @Test("of an unknown machine only ports and memory are known")
    func unknownMachine() {
        for backend in BackendKind.allCases {
            let preflight = preflight(backend, HostFacts())
            #expect(Set(preflight.walls.map(\.resource)) == [.ports, .memory])
            #expect(preflight.processesPerSide(for: 500_000) == 1)
        }
    }

    @Test("every refusal is one line with a remedy")
    func oneLine() {
        var facts = developmentMachine()
        facts.capabilities = 0
        facts.controlGroupPids = ControlGroupLimit(limit: .at(500), used: 100, path: "/g/pids.max")
        facts.controlGroupMemory = ControlGroupLimit(limit: .at(1), used: 0, path: "/g/memory.max")
        for backend in BackendKind.allCases {
            let lines = preflight(backend, facts, ports: 1)
                .refusals(for: 1_000_000_000_000)
            #expect(lines.count >= 5)
            for line in lines {
                #expect(!line.contains("\n"))
                #expect(line.contains("Remedy: "))
            }
        }
    }

    @Test("this machine has a nearest wall for every backend", arguments: BackendKind.allCases)
    func smoke(backend: BackendKind) throws {
        let preflight = Preflight(
            facts: .read(), memoryAvailableBytes: try KernelMemory.memAvailable(),
            backend: backend,
            ports: PortCapacity(
                connections: 1_000_000, limit: 1_000_000, origin: "made up", formula: "made up"))
        #expect(preflight.binding.connectionsMax > 0)
        #expect(preflight.walls.count >= 3)
    }
}
