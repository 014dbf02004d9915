// Sysctl changes are undone, whatever happens to the process that made them.

import Glibc
import Testing

@testable import ConnectionBench

private let pidMax = SysctlChange(name: "kernel.pid_max", old: "32768", new: "4194304")
private let maps = SysctlChange(name: "vm.max_map_count", old: "65530", new: "1000000")
private let ports = SysctlChange(
    name: "net.ipv4.ip_local_port_range", old: "32768\t60999", new: "1024 65535")

/// Three values, one of them with a tab as the kernel writes it.
private func threeValues() throws -> MadeUpHost {
    try MadeUpHost([
        pidMax.name: "32768", maps.name: "65530", ports.name: "32768\t60999",
    ])
}

@Suite struct SysctlJournalTests {
    @Test("values are applied, and put back at the end, and nothing of it stays")
    func roundTrip() throws {
        let host = try threeValues()
        let journal = host.journal(of: try host.start(100))
        try journal.apply([pidMax, maps, ports])
        #expect(try host.get("kernel.pid_max") == "4194304")
        #expect(try host.get("net.ipv4.ip_local_port_range") == "1024 65535")
        #expect(host.journals == ["100.journal"])
        let outcomes = try journal.restore()
        #expect(outcomes.map(\.change) == [ports, maps, pidMax], "the newest first")
        #expect(outcomes.allSatisfy { $0.kind == .restored })
        #expect(try host.get("net.ipv4.ip_local_port_range") == "32768 60999")
        #expect(try host.get("kernel.pid_max") == "32768")
        #expect(host.journals == [])
        #expect(try journal.restore() == [], "a second time there is nothing to do")
    }

    @Test("promise 1: a change is in the journal before its value is written")
    func journalFirst() throws {
        let host = try threeValues()
        var values = host.values
        var held: [[SysctlChange]] = []
        values.willWrite = { _ in
            let path = "\(host.journalFolder)/100.journal"
            held.append((try? StoredJournal(path: path))?.changes ?? [])
        }
        try SysctlJournal(values: values, process: host.start(100)).apply([pidMax, maps])
        #expect(held == [[pidMax], [pidMax, maps]])
    }

    @Test("promise 1: a kill at any point, within any byte of the journal, is repaired")
    func killedAnywhere() throws {
        let host = try threeValues()
        let process = try host.start(100)
        let changes = [pidMax, maps, ports]
        try host.journal(of: process).apply(changes)
        let text = try TextFile.read("\(host.journalFolder)/100.journal")
        host.end(100)

        for byteCount in 0...text.utf8.count {
            let part = String(decoding: text.utf8.prefix(byteCount), as: UTF8.self)
            // Line 0 is the owner. The last whole line's value may or may not be written yet.
            let lineCount = max(0, part.filter { $0 == "\n" }.count - 1)
            for writtenCount in max(0, lineCount - 1)...lineCount {
                for (index, change) in changes.enumerated() {
                    try host.set(change.name, index < writtenCount ? change.new : change.old)
                }
                try host.write(journal: part, of: 100)
                let repair = try SysctlJournal.repair(host.values)
                #expect(!repair.hasFailed && repair.left == [] && host.journals == [])
                for change in changes { #expect(try host.get(change.name) == change.old) }
            }
        }
    }

    @Test("promise 2: a value that someone changed meanwhile is left, and said")
    func changedMeanwhile() throws {
        let host = try threeValues()
        let journal = host.journal(of: try host.start(100))
        try journal.apply([pidMax, maps])
        try host.set("kernel.pid_max", "99999")
        let outcomes = try journal.restore()
        #expect(outcomes.map(\.kind) == [.restored, .changedMeanwhile(found: "99999")])
        #expect(outcomes[1].description.contains("left at 99999"))
        #expect(try host.get("kernel.pid_max") == "99999")
        #expect(host.journals == [])
    }

    @Test("promise 3: beside a live journal nothing is applied, and its process is named")
    func twoAtOnce() throws {
        let host = try threeValues()
        let first = host.journal(of: try host.start(100))
        let second = host.journal(of: try host.start(200))
        try first.apply([pidMax])
        #expect(throws: SysctlError.inUse(pid: 100, command: "uring-bench", isAlive: true)) {
            try second.apply([SysctlChange(name: pidMax.name, old: "4194304", new: "4194304")])
        }
        #expect(throws: SysctlError.inUse(pid: 100, command: "uring-bench", isAlive: true)) {
            try second.apply([maps])
        }
        #expect(try second.restore() == [])
        #expect(try host.get("kernel.pid_max") == "4194304", "still the first one's")
        _ = try first.restore()
        try second.apply([pidMax])
        #expect(try host.get("kernel.pid_max") == "4194304")
        _ = try second.restore()
        #expect(try host.get("kernel.pid_max") == "32768")
    }

    @Test("promise 3: what a dead process left must be restored before anything is applied")
    func leftBehind() throws {
        let host = try threeValues()
        try host.journal(of: try host.start(100)).apply([pidMax])
        host.end(100)
        let second = host.journal(of: try host.start(200))
        #expect(throws: SysctlError.inUse(pid: 100, command: "uring-bench", isAlive: false)) {
            try second.apply([maps])
        }
        #expect(try SysctlJournal.repair(host.values).lines.count == 1)
        try second.apply([maps])
        #expect(host.journals == ["200.journal"])
    }

    @Test("promise 4: a journal whose value cannot be written stays, for another attempt")
    func unwritable() throws {
        let host = try threeValues()
        let journal = host.journal(of: try host.start(100))
        try journal.apply([pidMax, maps])
        let path = host.root + "/proc/sys/kernel/pid_max"
        unlink(path)
        let outcomes = try journal.restore()
        #expect(outcomes.map(\.hasFailed) == [false, true])
        #expect(host.journals == ["100.journal"])
        try host.set("kernel.pid_max", "4194304")
        #expect(try journal.restore().map(\.kind) == [.wasOld, .restored])
        #expect(host.journals == [])
    }

    @Test("an apply that fails half-way takes back what it did, and only that")
    func allOrNothing() throws {
        let host = try threeValues()
        let missing = SysctlChange(name: "kernel.missing", old: "1", new: "2")
        let journal = host.journal(of: try host.start(100))
        try journal.apply([maps])
        #expect(throws: SysctlError.self) { try journal.apply([pidMax, missing]) }
        #expect(try host.get("kernel.pid_max") == "32768")
        // The ports' file vanishes between its check and its writing.
        var values = host.values
        values.willWrite = { change in
            if change == ports { unlink(host.root + "/proc/sys/net/ipv4/ip_local_port_range") }
        }
        _ = try journal.restore()
        let other = SysctlJournal(values: values, process: try host.start(300))
        #expect(throws: SysctlError.self) { try other.apply([pidMax, ports]) }
        #expect(try host.get("kernel.pid_max") == "32768")
        #expect(other.changes == [ports], "it may be written, for all we know")
    }

    @Test("a change made for another value is refused before anything is written")
    func changedBefore() throws {
        let host = try threeValues()
        let journal = host.journal(of: try host.start(100))
        let stale = SysctlChange(name: maps.name, old: "1", new: "2")
        #expect(throws: SysctlError.changedBefore(stale, found: "65530")) {
            try journal.apply([pidMax, stale])
        }
        #expect(try host.get("kernel.pid_max") == "32768")
        #expect(host.journals == [])
    }

    @Test("what has its new value already is not ours to undo")
    func alreadyNew() throws {
        let host = try threeValues()
        try host.set("kernel.pid_max", "4194304")
        let journal = host.journal(of: try host.start(100))
        try journal.apply([pidMax])
        #expect(journal.changes == [] && host.journals == [])
    }

    @Test("names outside of /proc/sys are refused", arguments: ["", "x", "a..b", "../x", "a b.c"])
    func badNames(name: String) throws {
        let host = try threeValues()
        let journal = host.journal(of: try host.start(100))
        #expect(throws: SysctlError.badName(name)) {
            try journal.apply([SysctlChange(name: name, old: "1", new: "2")])
        }
    }

    @Test("dots and slashes change places, as in sysctl(8)")
    func names() {
        #expect(SysctlChange.path(of: "kernel.pid_max") == "/proc/sys/kernel/pid_max")
        #expect(
            SysctlChange.path(of: "net.ipv4.conf.eth0/7.mtu")
                == "/proc/sys/net/ipv4/conf/eth0.7/mtu")
    }

    @Test("more room is a raise: every number higher, or a port range wider")
    func raises() {
        #expect(pidMax.raises && ports.raises)
        func raises(_ old: String, _ new: String, _ name: String = "a.b") -> Bool {
            SysctlChange(name: name, old: old, new: new).raises
        }
        #expect(!raises("2", "1") && !raises("2", "2") && !raises("1 2", "3"))
        #expect(raises("1 2 3", "1 2 4") && !raises("1 2 3", "2 1 4") && !raises("x", "y"))
        #expect(!raises("32768 60999", "40000 65535", ports.name))
    }
}

@Suite struct SysctlRepairTests {
    @Test("without a journal there is nothing to restore")
    func nothing() throws {
        #expect(try SysctlJournal.repair(MadeUpHost().values).lines == ["nothing to restore"])
    }

    @Test("a process that still runs is left alone")
    func alive() throws {
        let host = try threeValues()
        try host.journal(of: try host.start(100)).apply([pidMax])
        let repair = try SysctlJournal.repair(host.values)
        #expect(repair.outcomes == [] && repair.left.count == 1)
        #expect(repair.lines[0].contains("process 100 (uring-bench) still runs"))
        #expect(try host.get("kernel.pid_max") == "4194304")
    }

    @Test("its pid in another process's hands does not protect it, nor does being a zombie")
    func pidReused() throws {
        for (ticks, state) in [(UInt64(2_000), "S"), (1_000, "Z")] {
            let host = try threeValues()
            try host.journal(of: try host.start(100)).apply([pidMax])
            try host.start(100, ticks: ticks, state: state)
            #expect(try SysctlJournal.repair(host.values).outcomes.map(\.kind) == [.restored])
            #expect(try host.get("kernel.pid_max") == "32768")
        }
    }

    @Test("after a restart of the machine the values are gone, and a like one is not touched")
    func restarted() throws {
        let host = try threeValues()
        try host.journal(of: try host.start(100)).apply([pidMax])
        try host.add("/proc/sys/kernel/random/boot_id", "another\n")
        let repair = try SysctlJournal.repair(host.values)
        #expect(repair.outcomes.map(\.kind) == [.gone("the machine was restarted since")])
        #expect(try host.get("kernel.pid_max") == "4194304")
        #expect(host.journals == [])
    }

    @Test("values of another network namespace are left while it exists, and gone with it")
    func otherNamespace() throws {
        let host = try threeValues()
        try host.add("/proc/self/ns/keep", "")
        try host.add("/proc/300/ns/keep", "")
        let own = host.root + "/proc/self/ns/net"
        let other = host.root + "/proc/300/ns/net"
        defer {
            unlink(own)
            unlink(other)
        }
        symlink("net:[2]", own)
        symlink("net:[2]", other)
        try host.journal(of: try host.start(100)).apply([pidMax, ports])
        host.end(100)
        unlink(own)
        symlink("net:[1]", own)
        let repair = try SysctlJournal.repair(host.values)
        #expect(repair.outcomes == [] && repair.lines[0].contains("another network namespace"))
        unlink(other)
        let second = try SysctlJournal.repair(host.values)
        #expect(second.outcomes.map(\.kind) == [.gone("its network namespace is gone"), .restored])
        #expect(try host.get("kernel.pid_max") == "32768")
        #expect(try host.get(ports.name) == "1024 65535")
    }

    @Test("a directory that others can use is not trusted")
    func unsafeDirectory() throws {
        let host = try threeValues()
        mkdir(host.journalFolder, 0o700)
        chmod(host.journalFolder, 0o755)
        #expect(throws: SysctlError.unsafeDirectory(path: host.journalFolder)) {
            try SysctlJournal.repair(host.values)
        }
    }

    @Test("a journal that is none is an error with its path")
    func spoiled() throws {
        let host = try threeValues()
        try host.write(journal: "nonsense\n", of: 100)
        #expect(throws: SysctlError.self) { try SysctlJournal.repair(host.values) }
    }
}
