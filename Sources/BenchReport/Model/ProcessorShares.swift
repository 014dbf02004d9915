// Who used the processors during one phase, so that nothing is counted twice.

import ConnectionBench

/// Processors in use on average, by user.
///
/// The kernel's softirq time may lie within the time of the process that it interrupted, or beside
/// it, depending on how the kernel was built. So softirq is only what the machine was busy with and
/// no process of the run is charged for; the sum is then what the machine was busy with.
struct ProcessorShares: Equatable {
    var server: Double
    var client: Double
    var softirq: Double
    var other: Double
    var steal: Double
    /// As the kernel counted it, in the processes' time or not.
    var softirqInAll: Double?
    /// Of the machine; `nil`: not known.
    var processorCount: Int?

    /// `nil` when no time was measured.
    init?(_ use: ProcessorUse) {
        let elapsed = use.elapsedSeconds
        guard elapsed > 0, elapsed.isFinite else { return nil }
        func share(_ seconds: Double) -> Double {
            seconds.isFinite && seconds > 0 ? seconds / elapsed : 0
        }
        server = share(use.serverSeconds)
        client = share(use.clientSeconds)
        guard let machine = use.machine else {
            (softirq, other, steal) = (0, 0, 0)
            return
        }
        let rest = max(0, share(machine.busySeconds) - server - client)
        let interrupts = share(machine.softInterruptSeconds + machine.interruptSeconds)
        softirqInAll = interrupts
        softirq = min(interrupts, rest)
        other = rest - softirq
        steal = share(machine.stealSeconds)
        processorCount = machine.processorCount
    }

    var sum: Double { server + client + softirq + other + steal }

    /// Times add up, so their mean is one; `nil` without any.
    static func mean(_ all: [ProcessorShares]) -> ProcessorShares? {
        guard var mean = all.first else { return nil }
        func average(_ path: KeyPath<ProcessorShares, Double>) -> Double {
            all.reduce(0) { $0 + $1[keyPath: path] } / Double(all.count)
        }
        mean.server = average(\.server)
        mean.client = average(\.client)
        mean.softirq = average(\.softirq)
        mean.other = average(\.other)
        mean.steal = average(\.steal)
        mean.softirqInAll = Samples(all.compactMap(\.softirqInAll)).mean
        return mean
    }
}
