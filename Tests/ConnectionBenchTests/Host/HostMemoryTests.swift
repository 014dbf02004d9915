// Memory that can be used, events of control groups, and the firewall's drops.

import Testing

@testable import ConnectionBench

@Suite struct UsableMemoryTests {
    private func memory(available: Int, reclaimable: Int) -> UsableMemory {
        UsableMemory(
            free: 1_000_000, available: available, reclaimable: reclaimable, total: 20_000_000_000)
    }

    @Test("the four figures are read in bytes")
    func parsed() throws {
        let memory = try UsableMemory(
            meminfo: """
                MemTotal:       24684084 kB
                MemFree:        20000000 kB
                MemAvailable:   21000000 kB
                SReclaimable:     100000 kB
                SUnreclaim:       200000 kB
                """)
        #expect(memory.totalBytes == 25_276_502_016)
        #expect(memory.freeBytes == 20_480_000_000)
        #expect(memory.availableBytes == 21_504_000_000)
        #expect(memory.reclaimableBytes == 102_400_000)
        #expect(throws: FileError.self) { try UsableMemory(meminfo: "MemTotal: 1 kB\n") }
    }

    @Test("what sockets pin is not available: 1,089 B at each end")
    func pinned() {
        let before = memory(available: 10_000_000_000, reclaimable: 100_000_000)
        let now = memory(available: 8_000_000_000, reclaimable: 2_500_000_000)
        #expect(now.usableBytes(since: before, connections: 1_000_000) == 5_822_000_000)
        #expect(now.usableBytes(since: before, connections: 0) == 8_000_000_000)
    }

    @Test("no more is pinned than the reclaimable slabs have grown by")
    func grown() {
        let before = memory(available: 10_000_000_000, reclaimable: 100_000_000)
        let little = memory(available: 9_000_000_000, reclaimable: 150_000_000)
        #expect(little.usableBytes(since: before, connections: 1_000_000) == 8_950_000_000)
        let shrunk = memory(available: 9_000_000_000, reclaimable: 50_000_000)
        #expect(shrunk.usableBytes(since: before, connections: 1_000_000) == 9_000_000_000)
    }
}

@Suite struct ControlGroupEventsTests {
    private static let mounts = """
        39 31 0:36 / /cg/pids rw,relatime shared:1 - cgroup cgroup rw,pids
        35 31 0:32 / /cg/memory rw - cgroup cgroup rw,memory
        41 31 0:38 / /cg/unified rw - cgroup2 cgroup rw
        """

    @Test("v1: failcnt of memory and pids.events, over the group and those above it")
    func version1() throws {
        let root = try FixtureDirectory([
            "/proc/self/cgroup": "8:pids:/a/b\n4:memory:/a\n",
            "/proc/self/mountinfo": Self.mounts,
            "/cg/pids/a/b/pids.events": "max 3\n",
            "/cg/pids/a/pids.events": "max 1000\n",
            "/cg/memory/a/memory.failcnt": "12\n",
            "/cg/memory/memory.failcnt": "0\n",
        ])
        let group = ControlGroup(files: HostFiles(root: root.path))
        #expect(group.pidEvents() == 1_003)
        #expect(group.memoryEvents() == 12)
        // The largest count alone would not have moved.
        try root.add("/cg/pids/a/b/pids.events", "max 8\n")
        #expect(group.pidEvents() == 1_008)
    }

    @Test("v2: max of memory.events and pids.events")
    func version2() throws {
        let root = try FixtureDirectory([
            "/proc/self/cgroup": "0::/u\n",
            "/proc/self/mountinfo": Self.mounts,
            "/cg/unified/u/memory.events": "low 0\nhigh 7\nmax 41\noom 2\noom_kill 1\n",
            "/cg/unified/u/pids.events": "max 5\n",
        ])
        let group = ControlGroup(files: HostFiles(root: root.path))
        #expect(group.memoryEvents() == 41)
        #expect(group.pidEvents() == 5)
    }

    @Test("without such a file, or with another form, nothing is known")
    func unknown() throws {
        let root = try FixtureDirectory([
            "/proc/self/cgroup": "0::/u\n",
            "/proc/self/mountinfo": Self.mounts,
            "/cg/unified/u/memory.events": "low 0\nmaximum 3\n",
            "/cg/unified/u/pids.events": "max many\n",
        ])
        let group = ControlGroup(files: HostFiles(root: root.path))
        #expect(group.memoryEvents() == nil && group.pidEvents() == nil)
        let empty = try FixtureDirectory()
        #expect(ControlGroup(files: HostFiles(root: empty.path)).memoryEvents() == nil)
    }
}

@Suite struct ConntrackTests {
    private let statistics = """
        entries  clashres found new invalid ignore delete chainlength insert insert_failed drop \
        early_drop icmp_error  expect_new expect_create expect_delete search_restart
        00002710  00000000 00000000 00000000 00000005 00000000 00000000 00000000 00000000 \
        0000000b 0000001f 00000002 00000000  00000000 00000000 00000000 00000000
        00002710  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 \
        00000001 00000001 00000000 00000000  00000000 00000000 00000000 00000000
        """

    @Test("drops for lack of room are summed over the processors, clashes are none")
    func drops() {
        #expect(Conntrack.drops(statistics: statistics) == 34)
    }

    @Test("a kernel without a column counts none in it, and no text is unknown")
    func missing() {
        #expect(Conntrack.drops(statistics: "entries drop\n0000000a 00000002\n") == 2)
        #expect(Conntrack.drops(statistics: "entries\n0000000a\n") == 0)
        #expect(Conntrack.drops(statistics: "entries drop early_drop\n0000000a 00000002\n") == 2)
        #expect(Conntrack.drops(statistics: "") == nil)
    }
}
