// Processor time and memory, of the machine and of processes.

import Glibc
import Testing

@testable import ConnectionBench

@Suite struct MachineUsageTests {
    private static let stat = """
        cpu  1622 10 1399 145698 662 5 15 40 7 8
        cpu0 803 0 541 73362 10 0 1 17 0 0
        cpu1 818 0 857 72336 652 0 13 22 0 0
        intr 110642 0 0
        ctxt 987654
        btime 1
        """

    @Test("ticks become seconds, and each processor is counted")
    func parsing() throws {
        let usage = try MachineUsage(stat: Self.stat, ticksPerSecond: 100)
        #expect(usage.userSeconds == 16.22)
        #expect(usage.interruptSeconds == 0.05)
        #expect(usage.softInterruptSeconds == 0.15)
        #expect(usage.stealSeconds == 0.4)
        #expect(usage.contextSwitches == 987_654)
        #expect(usage.processorCount == 2)
        #expect(abs(usage.busySeconds - 30.51) < 1e-9)
        #expect(abs(usage.totalSeconds - 1_494.51) < 1e-9)
    }

    @Test("a difference keeps the number of processors")
    func difference() throws {
        let usage = try MachineUsage(stat: Self.stat, ticksPerSecond: 100)
        let none = usage.since(usage)
        #expect(none.totalSeconds == 0)
        #expect(none.contextSwitches == 0)
        #expect(none.processorCount == 2)
    }

    @Test(
        "a truncated stat is an error",
        arguments: ["", "cpu 1 2 3\nctxt 5", "cpu 1 2 3 4 5 6 7 8"])
    func truncated(text: String) {
        #expect(throws: FileError.self) { try MachineUsage(stat: text) }
    }

    @Test("this machine's time passes")
    func smoke() throws {
        let usage = try MachineUsage.read()
        #expect(usage.totalSeconds > 0)
        #expect(usage.processorCount >= 1)
    }
}

@Suite struct ProcessUsageTests {
    private static let columns =
        "R 2841 2841 2487 0 -1 4194304 102 0 0 0 150 50 0 0 20 0 7 0 74882 3133440 390"

    @Test(
        "a name with spaces and parentheses does not shift the columns",
        arguments: ["cat", "a b", "x) (y", "(sd-pam)", ") R 1 2", ""])
    func oddNames(name: String) throws {
        var usage = ProcessUsage()
        try usage.apply(
            stat: "2848 (\(name)) \(Self.columns)\n", path: "/proc/2848/stat", ticksPerSecond: 100)
        #expect(usage.userSeconds == 1.5)
        #expect(usage.systemSeconds == 0.5)
        #expect(usage.processorSeconds == 2)
        #expect(usage.threadCount == 7)
    }

    @Test("a truncated stat is an error", arguments: ["", "1 (a", "1 (a) R 1 2 3", "1 a R 1"])
    func truncatedStat(text: String) {
        var usage = ProcessUsage()
        #expect(throws: FileError.self) { try usage.apply(stat: text, path: "p") }
    }

    @Test("memory comes from the rollup; a process without memory has unknown memory")
    func rollup() throws {
        var usage = ProcessUsage()
        try usage.apply(
            smapsRollup: "557f-7fff ---p 0 00:00 0  [rollup]\nRss: 1768 kB\nPss: 559 kB\n"
                + "Pss_Dirty: 112 kB\n", path: "p")
        #expect(usage.proportionalBytes == 559 * 1_024)
        #expect(usage.residentBytes == 1_768 * 1_024)
        try usage.apply(smapsRollup: "", path: "p")
        #expect(usage.proportionalBytes == nil)
    }

    @Test("switches are summed over threads, and io_uring's workers are counted")
    func threadStatus() throws {
        var usage = ProcessUsage()
        for name in ["main", "iou-wrk-123", "not iou-wrk-1"] {
            try usage.add(
                threadStatus: "Name:\t\(name)\nvoluntary_ctxt_switches:\t5\n"
                    + "nonvoluntary_ctxt_switches:\t2\n", path: "p")
        }
        #expect(usage.voluntarySwitches == 15)
        #expect(usage.involuntarySwitches == 6)
        #expect(usage.ioWorkerCount == 1)
    }

    @Test("a sum with an unknown memory is unknown; a difference keeps threads and memory")
    func arithmetic() {
        var one = ProcessUsage()
        one.userSeconds = 2
        one.threadCount = 3
        one.proportionalBytes = 100
        one.voluntarySwitches = 7
        var other = one
        other.proportionalBytes = nil
        var sum = one
        sum.add(other)
        #expect(sum.userSeconds == 4)
        #expect(sum.threadCount == 6)
        #expect(sum.proportionalBytes == nil)
        #expect(sum.voluntarySwitches == 14)

        let difference = sum.since(one)
        #expect(difference.userSeconds == 2)
        #expect(difference.voluntarySwitches == 7)
        #expect(difference.threadCount == 6)
    }

    @Test("processor time is finer than a tick, and has that of ended threads")
    func clock() throws {
        let before = try ProcessUsage.read(pid: getpid())
        var thread = pthread_t()
        let made = pthread_create(
            &thread, nil,
            { _ in
                // 3 ms of this thread: less than one tick.
                var time = timespec()
                repeat {
                    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
                } while time.tv_sec == 0 && time.tv_nsec < 3_000_000
                return nil
            }, nil)
        try #require(made == 0)
        pthread_join(thread, nil)
        let after = try ProcessUsage.read(pid: getpid())
        let used = after.since(before).processorSeconds
        #expect(used >= 0.003, "\(used) s")
        let ticks = after.userSeconds + after.systemSeconds
        // A clock of ticks would show whole ones only.
        #expect(abs(after.processorSeconds * 100 - (after.processorSeconds * 100).rounded()) > 1e-6)
        #expect(abs(after.processorSeconds - ticks) < 0.05 + 0.05 * ticks)
    }

    @Test("the clock of a process that is gone is none")
    func goneClock() {
        #expect(ProcessClock.seconds(of: 4_194_305) == nil)
        #expect(ProcessClock.seconds(of: [getpid(), 4_194_305]) == nil)
    }

    @Test("a process that has ended is an error with its number, and the others are summed")
    func vanished() throws {
        // Above the highest pid that a kernel can give.
        let gone: Int32 = 4_194_305
        let error = #expect(throws: ProcessUsageError.self) { try ProcessUsage.read(pid: gone) }
        #expect(error == .vanished(pid: gone))
        #expect(error?.description == "process 4194305 has ended")

        let (usage, failures) = ProcessUsage.sum(of: [getpid(), gone])
        #expect(failures == [.vanished(pid: gone)])
        #expect(usage.threadCount >= 1)
        #expect(usage.processorSeconds >= 0)
        #expect((usage.proportionalBytes ?? 0) > 0)
    }
}
