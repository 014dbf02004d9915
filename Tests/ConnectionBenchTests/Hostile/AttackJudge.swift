// How an attack is judged: what was seen before, in the midst of it and afterwards.

import ConnectionEngine
import Glibc

@testable import ConnectionBench

/// What is looked at before and after an attack.
private struct Scene {
    let server: HostileServer.Reading
    let counters: Counters
    let kernel: KernelMemory
    let honest: HonestRecord.State

    init(_ run: HostileRun) throws {
        server = try run.server.reading()
        counters = try run.server.counters()
        kernel = try KernelMemory.read()
        honest = run.honest.state
    }
}

/// What is looked at while an attack goes on.
private struct Midst {
    var peak: HostileServer.Reading
    var newcomerServed = false
    private var lookedAt = MonotonicTime.now

    init(_ before: HostileServer.Reading) { peak = before }

    mutating func look(_ run: HostileRun, doneOfAll part: Double) throws {
        try run.server.checkAlive()
        if part >= 0.5, !newcomerServed { newcomerServed = run.serveNewcomer() }
        guard MonotonicTime.now.seconds(since: lookedAt) > 0.25 else { return }
        lookedAt = .now
        peak.raise(to: try run.server.reading())
    }
}

extension HostileRun {
    /// A calm window, the attack, and what is left of it.
    ///
    /// - Parameter body: does the attack, and tells meanwhile how much of it is done.
    func judge(
        _ name: String, wanted: Int, perSecondMax: Double,
        _ body: (_ midst: (Double) throws -> Void) throws -> Outcome
    ) throws {
        _ = honest.takeWindow()
        usleep(UInt32(figures.calmSeconds * 1e6))
        let calm = honest.takeWindow()
        let before = try Scene(self)
        var midst = Midst(before.server)
        let start = MonotonicTime.now
        let outcome = try body { try midst.look(self, doneOfAll: $0) }
        let seconds = MonotonicTime.now.seconds(since: start)
        let attacked = honest.takeWindow()
        let recovery = try recover(before.server)
        let after = try Scene(self)
        // Peaks add up: buffers that one attack has touched are there in the next one.
        let peaks = verdicts.map(\.peak.openConnections) + [midst.peak.openConnections]
        let base = verdicts.first?.before.residentBytes ?? before.server.residentBytes
        let bound = base + server.memoryAllowance(peakConnections: peaks.max() ?? 0)
        var verdict = AttackVerdict(
            attack: name, backend: backend, wanted: wanted, done: outcome.done,
            perSecondMax: perSecondMax, perSecond: Double(outcome.done) / max(seconds, 0.001),
            seconds: seconds, bytesSent: outcome.bytesSent, wrongEchoes: outcome.wrong,
            newcomerServed: midst.newcomerServed, serverAlive: server.isAlive,
            before: before.server, peak: midst.peak, after: after.server,
            kernelSockets: try kernelSockets(), honestClients: figures.honestClients,
            residentBytesMax: bound,
            residentBytesPeakMax: bound + server.threadMemory * midst.peak.threads,
            slabGrowthBytes: try slabGrowth(since: before.kernel),
            slabGrowthBytesMax: 32 << 20, recoverySeconds: recovery ?? -1,
            recovered: recovery != nil,
            honest: .init(before.honest, after.honest, calm: calm, attacked: attacked),
            counters: after.counters.changes(since: before.counters))
        verdict.findFailures(isTimed: figures.isFull)
        verdicts.append(verdict)
        try hasJudged(self)
    }

    /// A further honest client, with one message.
    fileprivate func serveNewcomer() -> Bool {
        namespace.inside {
            guard let peer = RawPeer(from: SocketAddress(ipv4: 0x7f41_0002, port: 0)),
                peer.connect(to: server.address) == 0
            else { return false }
            let bytes = hostileBytes(7, count: 500)
            return peer.send(bytes) && peer.receive(500) == bytes
        }
    }

    /// - Returns: seconds until only the honest connections are left, in the server's count and in
    ///   the kernel's; `nil`: that did not come in 120.
    private func recover(_ before: HostileServer.Reading) throws -> Double? {
        let start = MonotonicTime.now
        while true {
            try server.checkAlive()
            let now = try server.reading()
            let seconds = MonotonicTime.now.seconds(since: start)
            if now.openConnections == figures.honestClients, now.descriptors <= before.descriptors,
                now.threads <= before.threads, try kernelSockets() == figures.honestClients
            {
                return seconds
            }
            if seconds > 120 { return nil }
            usleep(50_000)
        }
    }

    /// The server's connections as the kernel has them: direct descriptors of io_uring show nowhere
    /// else. Without those in TIME_WAIT, and handshakes that nobody has completed, which belong to
    /// no process and are forgotten after a minute.
    private func kernelSockets() throws -> Int {
        let text = try namespace.inside { () throws(FileError) in
            try TextFile.read("/proc/thread-self/net/tcp")
        }
        let port = ":" + String(server.address.port, radix: 16, uppercase: true).leftPadded(to: 4)
        return text.split(separator: "\n").count { line in
            let columns = line.split(separator: " ", maxSplits: 4)
            guard columns.count > 3, columns[1].hasSuffix(port) else { return false }
            return !["06", "03", "0A"].contains(String(columns[3]))
        }
    }

    /// The least of what is seen within some seconds: RCU and the processors' caches give back late.
    private func slabGrowth(since before: KernelMemory) throws -> Int {
        var least = Int.max
        for _ in 0..<(figures.isFull ? 50 : 1) {
            let growth = try KernelMemory.read().growth(since: before)
            least = min(least, growth.objectBytes ?? growth.slabBytes)
            if least <= 0 { break }
            usleep(100_000)
        }
        return least
    }
}

extension String {
    fileprivate func leftPadded(to count: Int) -> String {
        String(repeating: "0", count: Swift.max(0, count - self.count)) + self
    }
}

extension AttackVerdict.Honest {
    fileprivate init(
        _ before: HonestRecord.State, _ after: HonestRecord.State, calm: LatencyHistogram,
        attacked: LatencyHistogram
    ) {
        let calmP99 = calm.value(atPercentile: 99)
        let attackP99 = attacked.value(atPercentile: 99)
        self.init(
            answered: after.answered - before.answered, wrong: after.wrong - before.wrong,
            unexpectedCloses: after.unexpectedCloses - before.unexpectedCloses,
            calmP99Nanoseconds: calmP99, attackP99Nanoseconds: attackP99, calmCount: calm.count,
            attackCount: attacked.count,
            p99Ratio: calmP99 > 0 ? Double(attackP99) / Double(calmP99) : 0)
    }
}

extension HostileServer.Reading {
    fileprivate mutating func raise(to other: Self) {
        residentBytes = max(residentBytes, other.residentBytes)
        descriptors = max(descriptors, other.descriptors)
        threads = max(threads, other.threads)
        openConnections = max(openConnections, other.openConnections)
        evicted = max(evicted, other.evicted)
    }
}

extension Counters {
    /// Those that went on, by name.
    fileprivate func changes(since earlier: Counters) -> [String: UInt64] {
        var changes: [String: UInt64] = [:]
        for field in Counters.fields {
            let change = self[keyPath: field.path] - earlier[keyPath: field.path]
            if change > 0 { changes[field.name] = change }
        }
        return changes
    }
}
