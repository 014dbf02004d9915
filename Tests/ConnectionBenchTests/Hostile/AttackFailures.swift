// What must hold after an attack: each sentence here is one that a verdict may fail by.

@testable import ConnectionBench

extension AttackVerdict {
    /// - Parameter isTimed: latencies and the kernel's memory are judged too; else only what does
    ///   not depend on how busy the machine is with others.
    mutating func findFailures(isTimed: Bool) {
        func fail(_ isWrong: Bool, _ text: String) {
            if isWrong { failures.append(text) }
        }
        fail(done < wanted, "only \(done) of \(wanted) were done")
        fail(wrongEchoes > 0, "\(wrongEchoes) echoes to the attackers were wrong")
        fail(!newcomerServed, "a client that came in the midst of it was not served")
        fail(!serverAlive, "the server has ended")
        fail(
            !recovered,
            "\(after.openConnections) connections, \(after.descriptors) descriptors and"
                + " \(after.threads) threads were left, \(before.openConnections),"
                + " \(before.descriptors) and \(before.threads) there were before")
        fail(
            after.residentBytes > residentBytesMax,
            "the server's memory went to \(after.residentBytes) B, its bound is \(residentBytesMax)"
        )
        fail(
            peak.residentBytes > residentBytesPeakMax,
            "the server's memory reached \(peak.residentBytes) B, its bound is"
                + " \(residentBytesPeakMax)")
        fail(honest.answered == 0, "no honest client was answered")
        fail(honest.wrong > 0, "\(honest.wrong) answers to honest clients were wrong")
        fail(
            honest.unexpectedCloses > 0,
            "\(honest.unexpectedCloses) honest connections were ended")
        fail(
            kernelSockets != honestClients,
            "the kernel has \(kernelSockets) connections of the server, not \(honestClients)")
        let accepted = counters["accepted", default: 0]
        let closed = counters["closed", default: 0]
        fail(accepted != closed, "the engine accepted \(accepted) and closed \(closed)")
        for name in ["completionsDropped", "acceptTableFull"] where counters[name, default: 0] > 0 {
            failures.append("\(name): \(counters[name, default: 0])")
        }
        guard isTimed else { return }
        fail(
            slabGrowthBytes > slabGrowthBytesMax,
            "the kernel's objects grew by \(slabGrowthBytes) B, the bound is \(slabGrowthBytesMax)")
        fail(
            honest.p99Ratio > HostileRun.p99RatioMax || honest.p99Ratio == 0,
            "honest clients' p99 is \(Decimal1.text(honest.p99Ratio)) times the calm one")
    }
}
