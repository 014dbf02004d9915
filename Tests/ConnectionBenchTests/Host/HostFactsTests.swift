// The facts of the machine, read from made-up roots and from this one.

import FoundationEssentials
import Testing

@testable import ConnectionBench

private let limits = """
    Limit                     Soft Limit           Hard Limit           Units
    Max processes             96365                unlimited            processes
    Max open files            1024                 20000                files
    """

private let status = """
    Name:\tbench
    Uid:\t1000\t1001\t1000\t1000
    CapEff:\t000001fffeffffff
    Seccomp:\t2
    Cpus_allowed_list:\t0,2-3
    """

@Suite struct HostFactsTests {
    @Test("every fact of a machine is read from its file")
    func allFacts() throws {
        let root = try FixtureDirectory([
            "/proc/self/limits": limits,
            "/proc/self/status": status,
            "/proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD EPYC\n",
            "/proc/meminfo": "MemTotal:  100 kB\n",
            "/proc/loadavg": "0.01 0.03 0.00 1/83 2888\n",
            "/proc/sys/fs/file-nr": "379\t0\t2466170\n",
            "/proc/sys/fs/file-max": "2466170\n",
            "/proc/sys/kernel/osrelease": "6.18.44\n",
            "/proc/sys/kernel/io_uring_disabled": "1\n",
            "/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
            "/proc/sys/net/ipv4/ip_local_reserved_ports": "\n",
            "/proc/sys/net/ipv4/tcp_mem": "287898\t383867\t575796\n",
            "/sys/devices/system/cpu/online": "0-3,8\n",
            "/sys/devices/system/cpu/vulnerabilities/meltdown": "Not affected\n",
            "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "schedutil\n",
            "/sys/devices/system/cpu/cpufreq/policy1/scaling_governor": "performance\n",
            "/sys/devices/system/cpu/cpufreq/policy2/scaling_governor": "schedutil\n",
            "/sys/devices/system/cpu/cpufreq/boost": "1\n",
            "/.dockerenv": "",
        ])
        let facts = HostFacts(reading: HostFiles(root: root.path))
        #expect(facts.openFilesSoft == .at(1_024))
        #expect(facts.openFilesHard == .at(20_000))
        #expect(facts.userThreadsSoft == .at(96_365))
        #expect(facts.processorModel == "AMD EPYC")
        #expect(facts.memoryTotalBytes == 102_400)
        #expect(facts.threadsUsed == 83)
        #expect(facts.systemFilesUsed == 379)
        #expect(facts.systemFilesMax == 2_466_170)
        #expect(facts.kernelRelease == "6.18.44")
        #expect(facts.ioUringDisabled == 1)
        #expect(facts.localPortFirst == 32_768)
        #expect(facts.localPortLast == 60_999)
        #expect(facts.localPortsReserved == "")
        #expect(facts.tcpMemoryPages == [287_898, 383_867, 575_796])
        #expect(facts.processorsOnline == 5)
        #expect(facts.processorsAllowed == 3)
        #expect(facts.vulnerabilities == ["meltdown": "Not affected"])
        #expect(facts.frequencyGovernor == "performance schedutil")
        #expect(facts.effectiveUser == 1_001)
        #expect(facts.seccompMode == 2)
        #expect(facts.containerHint == "docker")
        #expect(facts.hasSystemAdmin == true)
        #expect(facts.hasSystemResource == false)
    }

    @Test("an empty machine is unknown in everything but the program's own architecture")
    func emptyMachine() throws {
        let root = try FixtureDirectory()
        var expected = HostFacts()
        let facts = HostFacts(reading: HostFiles(root: root.path))
        expected.architecture = facts.architecture
        #expect(facts == expected)
        #expect(facts.hasSystemAdmin == nil)
    }

    @Test("malformed files are unknown, not zero")
    func malformed() throws {
        let root = try FixtureDirectory([
            "/proc/self/limits": "Max open files",
            "/proc/self/status": "Uid:\t0\nCapEff:\txyz\n",
            "/proc/loadavg": "0.01 0.03",
            "/proc/sys/fs/file-nr": "379",
            "/proc/sys/kernel/pid_max": "many",
            "/sys/devices/system/cpu/online": "3-1",
        ])
        let facts = HostFacts(reading: HostFiles(root: root.path))
        #expect(facts.openFilesHard == nil)
        #expect(facts.effectiveUser == nil)
        #expect(facts.capabilities == nil)
        #expect(facts.threadsUsed == nil)
        #expect(facts.systemFilesUsed == nil)
        #expect(facts.pidMax == nil)
        #expect(facts.processorsOnline == nil)
    }

    @Test("without capabilities user 0 stands for all of them")
    func userZero() {
        var facts = HostFacts()
        facts.effectiveUser = 0
        #expect(facts.hasSystemAdmin == true)
        facts.capabilities = 0
        #expect(facts.hasSystemAdmin == false)
    }

    @Test("this machine tells the facts that every Linux has")
    func smoke() throws {
        let facts = HostFacts.read()
        #expect(facts.kernelRelease != nil)
        #expect(facts.openFilesHard != nil)
        #expect(facts.pidMax != nil)
        #expect(try #require(facts.threadsUsed) > 0)
        #expect(try #require(facts.processorsOnline) >= 1)
        #expect(facts.localPortFirst != nil)
    }
}

@Suite struct ControlGroupTests {
    @Test("v1: the tightest limit between the process's group and the root is taken")
    func version1() throws {
        let root = try FixtureDirectory([
            "/proc/self/cgroup": "8:pids:/a/b\n4:cpu,memory:/a\n0::/\n",
            "/proc/self/mountinfo": """
            39 31 0:36 / /cg/pids rw,relatime shared:1 - cgroup cgroup rw,pids
            35 31 0:32 / /cg/memory rw - cgroup cgroup rw,cpu,memory
            """,
            "/cg/pids/a/b/pids.max": "max\n",
            "/cg/pids/a/b/pids.current": "10\n",
            "/cg/pids/a/pids.max": "1000\n",
            "/cg/pids/a/pids.current": "400\n",
            "/cg/memory/a/memory.limit_in_bytes": "1000000\n",
            "/cg/memory/a/memory.usage_in_bytes": "500000\n",
            "/cg/memory/a/memory.stat": "inactive_file 7\ntotal_inactive_file 100000\n",
            "/cg/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "/cg/memory/memory.usage_in_bytes": "900000\n",
        ])
        let group = ControlGroup(files: HostFiles(root: root.path))
        let pids = try #require(group.pids())
        #expect(pids.limit == .at(1_000))
        #expect(pids.used == 400)
        #expect(pids.left == 600)
        #expect(pids.path == "/cg/pids/a/pids.max")
        let memory = try #require(group.memory())
        #expect(memory.limit == .at(1_000_000))
        #expect(memory.used == 400_000)
    }

    @Test("v2: in a container the path loses the mounted root")
    func version2() throws {
        let root = try FixtureDirectory([
            "/proc/self/cgroup": "0::/docker/abc/sub\n",
            "/proc/self/mountinfo":
                "41 31 0:38 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
            "/sys/fs/cgroup/sub/pids.max": "max\n",
            "/sys/fs/cgroup/sub/pids.current": "3\n",
            "/sys/fs/cgroup/memory.max": "2048\n",
        ])
        let group = ControlGroup(files: HostFiles(root: root.path))
        #expect(group.pids()?.limit == .unlimited)
        #expect(group.pids()?.left == nil)
        #expect(group.memory()?.limit == .at(2_048))
        #expect(group.memory()?.used == nil)
    }

    @Test("without control groups, or with malformed ones, nothing is known")
    func unknown() throws {
        let empty = try FixtureDirectory()
        #expect(ControlGroup(files: HostFiles(root: empty.path)).pids() == nil)
        let odd = try FixtureDirectory([
            "/proc/self/cgroup": "0::/\nnonsense\n", "/proc/self/mountinfo": "1 2 3 - x\n\n",
        ])
        #expect(ControlGroup(files: HostFiles(root: odd.path)).memory() == nil)
    }

    @Test("a limit without end is a word, and unknown texts are no limit")
    func ceilings() {
        #expect(Ceiling("max") == .unlimited)
        #expect(Ceiling("9223372036854771712") == .unlimited)
        #expect(Ceiling("18446744073709551615") == .unlimited)
        #expect(Ceiling("20000") == .at(20_000))
        #expect(Ceiling("-1") == nil)
        #expect(Ceiling("") == nil)
    }

    @Test("in JSON a limit is a number or the word unlimited, and the facts survive the journey")
    func json() throws {
        let ceilings = [Ceiling.at(20_000), .unlimited]
        let text = try JSONEncoder().encode(ceilings)
        #expect(String(decoding: text, as: UTF8.self) == #"[20000,"unlimited"]"#)
        #expect(try JSONDecoder().decode([Ceiling].self, from: text) == ceilings)
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([Ceiling].self, from: Data(#"["many"]"#.utf8))
        }
        let facts = HostFacts.read()
        let copy = try JSONDecoder().decode(HostFacts.self, from: JSONEncoder().encode(facts))
        #expect(copy == facts)
    }
}
