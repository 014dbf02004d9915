// What all processors of the machine have done since boot: /proc/stat.

import Glibc

/// Processor time of the whole machine by kind, in seconds, summed over its processors.
///
/// `userSeconds` includes guests. `idleSeconds` and `ioWaitSeconds` are estimates of the kernel
/// which may go backwards by a few ticks, so a difference of them may be slightly negative.
public struct MachineUsage: Codable, Hashable, Sendable {
    public let userSeconds: Double
    public let niceSeconds: Double
    public let systemSeconds: Double
    public let idleSeconds: Double
    public let ioWaitSeconds: Double
    public let interruptSeconds: Double
    public let softInterruptSeconds: Double
    /// Time in which the hypervisor ran something else: the run was disturbed.
    public let stealSeconds: Double
    public let contextSwitches: Int
    /// Processors that are online, one `cpuN` line each.
    public let processorCount: Int

    public static func read() throws(FileError) -> MachineUsage {
        try MachineUsage(stat: TextFile.read("/proc/stat"))
    }

    /// All time in which a processor was ours and worked.
    public var busySeconds: Double {
        userSeconds + niceSeconds + systemSeconds + interruptSeconds + softInterruptSeconds
    }

    public var totalSeconds: Double { busySeconds + idleSeconds + ioWaitSeconds + stealSeconds }

    /// The difference to an earlier reading; `processorCount` stays that of this one.
    public func since(_ earlier: MachineUsage) -> MachineUsage {
        MachineUsage(
            userSeconds: userSeconds - earlier.userSeconds,
            niceSeconds: niceSeconds - earlier.niceSeconds,
            systemSeconds: systemSeconds - earlier.systemSeconds,
            idleSeconds: idleSeconds - earlier.idleSeconds,
            ioWaitSeconds: ioWaitSeconds - earlier.ioWaitSeconds,
            interruptSeconds: interruptSeconds - earlier.interruptSeconds,
            softInterruptSeconds: softInterruptSeconds - earlier.softInterruptSeconds,
            stealSeconds: stealSeconds - earlier.stealSeconds,
            contextSwitches: contextSwitches - earlier.contextSwitches,
            processorCount: processorCount)
    }
}

/// Clock ticks, the unit of /proc/stat and /proc/<pid>/stat: 100 a second on nearly every system.
enum ClockTicks {
    static let perSecond = Double(sysconf(CInt(_SC_CLK_TCK)))
}

extension MachineUsage {
    init(stat: String, ticksPerSecond: Double = ClockTicks.perSecond) throws(FileError) {
        let path = "/proc/stat"
        let lines = stat.split(separator: "\n")
        guard let total = lines.first(where: { $0.hasPrefix("cpu ") }) else {
            throw FileError(path: path, expected: "a line 'cpu …'")
        }
        // Kernels since 2.6.11 have at least these eight; guest times may follow.
        let ticks = total.split(separator: " ").dropFirst().prefix(8).compactMap { Int($0) }
        guard ticks.count == 8 else {
            throw FileError(path: path, expected: "eight numbers in '\(total)'")
        }
        guard let switches = lines.first(where: { $0.hasPrefix("ctxt ") }),
            let contextSwitches = Int(switches.dropFirst(5))
        else { throw FileError(path: path, expected: "a line 'ctxt <number>'") }

        func seconds(_ index: Int) -> Double { Double(ticks[index]) / ticksPerSecond }
        self.init(
            userSeconds: seconds(0), niceSeconds: seconds(1), systemSeconds: seconds(2),
            idleSeconds: seconds(3), ioWaitSeconds: seconds(4), interruptSeconds: seconds(5),
            softInterruptSeconds: seconds(6), stealSeconds: seconds(7),
            contextSwitches: contextSwitches,
            processorCount: lines.count { $0.hasPrefix("cpu") && !$0.hasPrefix("cpu ") })
    }
}
