// Forecasts for a process of made-up files, and for a server that is then driven into its limit.

import FoundationEssentials
import Glibc
import Testing

@testable import ConnectionBench

@Suite struct ProcessForecastTests {
    private static let limits = """
        Limit                     Soft Limit           Hard Limit           Units
        Max processes             1000                 1000                 processes
        Max open files            1024                 4096                 files

        """

    @Test("a process of which nothing can be read is unknown in everything, with the reasons")
    func nothingReadable() throws {
        let host = try MadeUpHost()
        try host.start(7)
        let facts = try ProcessFacts(pid: 7, files: host.files)
        #expect(facts.name == "ur ing) b")
        for reason in [
            facts.user.reason, facts.residentBytes.reason, facts.proportionalBytes.reason,
            facts.memoryMaps.reason, facts.openFilesSoft.reason, facts.userThreads.reason,
            facts.descriptors.reason, facts.descriptorsFree.reason, facts.network.reason,
            facts.capabilities.reason, facts.outOfMemoryScoreAdjustment.reason,
        ] {
            #expect(reason?.contains("No such file") == true, "\(reason ?? "known")")
        }
        let forecast = ProcessForecast(facts, host: HostFacts(), memoryAvailableBytes: nil)
        #expect(forecast.limits == [] && forecast.binding == nil && forecast.waiting == .unknown)
        #expect(forecast.unknowns.count == 4)
        let text = ForeignReport(facts: facts, forecast: forecast).text
        #expect(text.contains("No limit is known") && text.contains("Not known"))
        let copy = try JSONDecoder().decode(ProcessFacts.self, from: JSONEncoder().encode(facts))
        #expect(copy == facts)
    }

    @Test("malformed files are unknown, not zero")
    func malformed() throws {
        let host = try MadeUpHost()
        try host.start(7)
        try host.add("/proc/7/status", "Uid:\tx\nCapEff:\txyz\nVmRSS:\t many\n")
        try host.add("/proc/7/limits", "Max open files\n")
        try host.add("/proc/7/fd", "not a directory")
        let facts = try ProcessFacts(pid: 7, files: host.files)
        #expect(facts.user.reason == "'Uid: x' is not understood")
        #expect(facts.capabilities.reason == "'CapEff: xyz' is not understood")
        #expect(facts.hasSystemAdmin == nil && facts.hasUnlimitedThreads == nil)
        #expect(facts.residentBytes.value == nil && facts.openFilesHard.value == nil)
        #expect(facts.descriptors.reason?.contains("Not a directory") == true)
    }

    @Test("where its open files cannot be seen, no figure is given as the answer")
    func filesUnknown() throws {
        let made = try MadeUpHost()
        try made.start(7)
        try made.add("/proc/7/limits", Self.limits)
        let facts = try ProcessFacts(pid: 7, files: made.files)
        let forecast = ProcessForecast(facts, host: HostFacts(), memoryAvailableBytes: 8 << 30)
        #expect(forecast.binding?.resource == .memory && !forecast.judgesFiles)
        #expect(forecast.unknowns.contains { $0.contains("it may have 1,024") })
        let text = ForeignReport(facts: facts, forecast: forecast).text
        #expect(text.contains("HOW MANY MORE IT CAN TAKE IS NOT KNOWN"))
        #expect(!text.contains("can take about"))
    }

    @Test("a process that has ended and is not reaped is an error")
    func zombie() throws {
        let host = try MadeUpHost()
        try host.start(7, state: "Z")
        #expect(throws: ProcessUsageError.vanished(pid: 7)) {
            try ProcessFacts(pid: 7, files: host.files)
        }
    }

    @Test("limits are ranked, and each tells how it was computed")
    func ranking() throws {
        let made = try MadeUpHost()
        try made.start(7)
        try made.add("/proc/7/limits", Self.limits)
        try made.add("/proc/7/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0\nThreads:\t1\n")
        try made.add("/proc/7/fd/keep", "")
        for number in [0, 1, 2, 3, 2_000] {
            symlink("socket:[\(number + 10)]", made.root + "/proc/7/fd/\(number)")
        }
        defer {
            for number in [0, 1, 2, 3, 2_000] { unlink(made.root + "/proc/7/fd/\(number)") }
        }
        let facts = try ProcessFacts(pid: 7, files: made.files)
        #expect(facts.descriptors.value?.count == 5 && facts.descriptors.value?.socketCount == 5)
        #expect(facts.descriptorsFree == .known(1_020), "2,000 is above the limit")

        var host = HostFacts()
        host.systemFilesMax = 1_000
        host.systemFilesUsed = 400
        host.memoryTotalBytes = 4 << 30
        let forecast = ProcessForecast(
            facts, host: host, memoryAvailableBytes: (1 << 30) + 4_085 * 100)
        #expect(forecast.limits.map(\.resource) == [.memory, .systemFiles, .descriptors])
        #expect(forecast.limits.map(\.connectionsMore) == [100, 600, 1_020])
        #expect(forecast.limits[2].formula == "1,024 - 4 in use")
        #expect(
            forecast.limits[2].remedy
                == "prlimit --pid 7 --nofile=4096:4096; to last: LimitNOFILE= of its systemd unit")
        #expect(forecast.limits[1].remedy == "sysctl -w fs.file-max=2000")
        // Less than the floor is none, not a negative number.
        let poor = ProcessForecast(facts, host: host, memoryAvailableBytes: 1)
        #expect(poor.binding?.connectionsMore == 0)
    }

    @Test(
        "the sockets inside of a ring are found at every index, and nothing else is taken for one")
    func ringTable() throws {
        let made = try MadeUpHost()
        let link = made.root + "/proc/7/fd/5"
        try made.add("/proc/7/fd/keep", "")
        symlink("anon_inode:[io_uring]", link)
        defer { unlink(link) }
        let head = "SqMask:\t0x3ff\nUserFiles:\t20000\n"
        let table = """
                0: socket:[11]
                1: /tmp/socket:[12]
                2: pipe:[13]
             9999: socket:[14]
            10000: socket:[15]
            19999: socket:[16]

            """
        try made.add("/proc/7/fdinfo/5", head + table + "UserBufs:\t1\n    0: socket:[17]\n")
        let scan = try DescriptorScan(pid: 7, files: made.files)
        #expect(scan.socketInodes == [11, 14, 15, 16])
        #expect(scan.facts.directSocketCount == 4 && scan.facts.directPlaceCount == 20_000)
        // Without the table the ring was busy, and nothing is known.
        try made.add("/proc/7/fdinfo/5", "SqMask:\t0x3ff\n")
        let busy = try DescriptorScan(pid: 7, files: made.files)
        #expect(busy.facts.rings[0].directSockets.value == nil)
        try made.start(7)
        let facts = try ProcessFacts(pid: 7, files: made.files)
        let forecast = ProcessForecast(facts, host: HostFacts(), memoryAvailableBytes: nil)
        #expect(forecast.unknowns[0].hasPrefix("sockets inside of 1 of its 1 io_uring instances"))
    }

    /// Accepts until it may open no more files, then waits.
    private static let server = """
        use Socket; $| = 1;
        socket(L, PF_INET, SOCK_STREAM, 0) and bind(L, sockaddr_in(0, INADDR_LOOPBACK))
          and listen(L, 100) or die;
        print +(unpack_sockaddr_in(getsockname(L)))[0], "\\n";
        while (1) { my $c; if (accept($c, L)) { push @c, $c } else { select(undef, undef, undef, 0.1) } }
        """

    @Test("a server takes exactly as many connections more as was said")
    func reached() throws {
        let folder = try FixtureDirectory(["/port": ""])
        let pid = try Subprocess.spawn(
            ["prlimit", "--nofile=40:60", "perl", "-e", Self.server],
            output: folder.path + "/port")
        var clients: [CInt] = []
        defer {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            for fd in clients { close(fd) }
        }
        var port: UInt16?
        while port == nil {
            port = UInt16(try TextFile.readValue(folder.path + "/port"))
            try #require(kill(pid, 0) == 0)
            usleep(1_000)
        }
        func connectClients(_ count: Int) throws {
            for _ in 0..<count {
                let fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
                clients.append(fd)
                try #require(PlainSocket.connect(fd, to: .loopback(port: port ?? 0)) == 0)
            }
        }
        func wait(_ condition: (ForeignReport) -> Bool) throws -> ForeignReport {
            for _ in 0..<10_000 {
                let report = try ForeignReport(pid: pid)
                if condition(report) { return report }
                usleep(1_000)
            }
            throw ToolProcess.Hanging(what: "the server", errors: "")
        }
        try connectClients(5)
        let before = try wait { $0.forecast.established == 5 }
        let binding = try #require(before.forecast.binding)
        #expect(binding.resource == .descriptors && binding.limit == 40)
        #expect(binding.remedy.hasPrefix("prlimit --pid \(pid) --nofile=60:60"))
        let more = binding.connectionsMore
        try #require(more > 0 && more <= 35)

        try connectClients(more + 9)
        let after = try wait { $0.forecast.binding?.connectionsMore == 0 }
        #expect(after.forecast.established == 5 + more)
        let network = try #require(after.facts.network.value)
        #expect(network.listeners.map(\.acceptQueue) == [9])
        #expect(network.listeners.map(\.acceptQueueMax) == [.known(100)])
        #expect(network.onListeningPorts[.established] == 5 + more + 9)
        #expect(after.forecast.notes.contains { $0.contains("9 more connections on its ports") })

        // And the remedy is one: the server goes on by itself.
        let command = binding.remedy.split(separator: ";")[0].split(separator: " ")
        #expect(try Subprocess.run(command.map(String.init)) == 0)
        let healed = try wait { $0.forecast.established == 5 + more + 9 }
        #expect(healed.facts.network.value?.listeners[0].acceptQueue == 0)
    }
}
