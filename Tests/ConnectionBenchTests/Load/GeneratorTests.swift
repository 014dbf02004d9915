// The client proves that it was on time, or says that it was not.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct GeneratorTests {
    // MARK: What a worker notes

    @Test("a request that the client sends late counts as its own lag")
    func lag() throws {
        let stage = try LoadStage(shape: { _ in })
        _ = stage.opened(10)
        stage.probe(perSecond: 100, from: 0, for: 30)
        stage.turn(at: 13)
        stage.turn(at: 20)
        stage.turn(at: 30)
        stage.turn(at: 2_030)
        let generator = try #require(stage.mailbox.takeReport()?.generator)
        #expect(generator.sendLag.milliseconds == [0, 0, 3])
        #expect(generator.loopLag.milliseconds.last == 3)
        #expect(generator.waitedForConnection == 0)
    }

    @Test("a request that waits for a busy connection is not the client's lag")
    func waiting() throws {
        let stage = try LoadStage(shape: { _ in })
        let id = stage.opened(1)[0]
        stage.probe(perSecond: 100, from: 0, for: 40)
        stage.turn(at: 10)
        stage.turn([stage.answer(id)], at: 18)
        stage.turn([stage.answer(id)], at: 19)
        stage.turn(at: 20)
        stage.turn([stage.answer(id)], at: 21)
        stage.turn(at: 30)
        stage.turn([stage.answer(id)], at: 40)
        let generator = try #require(stage.mailbox.takeReport()?.generator)
        #expect(generator.waitedForConnection == 1)
        #expect(generator.sendLag.milliseconds == [0, 0, 0])
    }

    @Test("requests that never found a connection are counted as waiting")
    func neverSent() throws {
        let stage = try LoadStage(shape: { _ in })
        let id = stage.opened(1)[0]
        stage.probe(perSecond: 100, from: 0, for: 30)
        stage.turn(at: 20)
        stage.turn(at: 30)
        stage.turn([stage.answer(id)], at: 31)
        let generator = try #require(stage.mailbox.takeReport()?.generator)
        #expect(generator.waitedForConnection == 2 && generator.sendLag.counts == [1])
    }

    @Test("a turn that comes after the end still sends what was due before it, as the client's lag")
    func lateEnd() throws {
        let stage = try LoadStage(shape: { _ in })
        let ids = stage.opened(5)
        stage.probe(perSecond: 100, from: 0, for: 30)
        #expect(stage.turn(at: 36).sends == [ids[1], ids[2]])
        stage.turn(ids[..<3].map { stage.answer($0) }, at: 40)
        let report = try #require(stage.mailbox.takeReport())
        #expect(report.due == 3 && report.answered == 3 && report.censored == 0)
        #expect(report.echoLatency.milliseconds == [20, 30, 40])
        #expect(report.generator?.sendLag.milliseconds == [0, 16, 26])
    }

    @Test("the warm-up is in no figure")
    func warmup() throws {
        let stage = try LoadStage(shape: { _ in })
        _ = stage.opened(10)
        stage.probe(perSecond: 100, from: 0, for: 20, warmup: 20)
        stage.turn(at: 17)
        stage.turn(at: 20)
        stage.turn(at: 31)
        stage.turn(at: 40)
        stage.turn(at: 2_040)
        let generator = try #require(stage.mailbox.takeReport()?.generator)
        #expect(generator.sendLag.milliseconds == [0, 1])
        #expect(generator.loopLag.milliseconds.max() == 1)
        #expect(generator.processorSeconds != nil)
        #expect(abs(generator.elapsedSeconds - 0.02) < 1e-9)
    }

    @Test("with a thread per connection there is no processor time of a worker")
    func threads() throws {
        var settings = LoadSettings()
        settings.workersAreThreads = false
        let stage = try LoadStage(settings)
        _ = stage.opened(1)
        stage.probe(perSecond: 100, from: 0, for: 10)
        stage.turn(at: 10)
        stage.turn(at: 2_010)
        let generator = try #require(stage.mailbox.takeReport()?.generator)
        #expect(generator.processorSeconds == nil && generator.delayedSeconds == nil)
    }

    // MARK: What follows

    private func report(
        lagMilliseconds: Int = 0, busy: Double? = 0.2, delayed: Double? = 0, waited: Int = 0
    ) -> GeneratorReport {
        var lag = LatencyHistogram()
        for _ in 0..<100 { lag.record(UInt64(lagMilliseconds) * 1_000_000) }
        return GeneratorReport(
            sendLag: lag.sparse, waitedForConnection: waited, processorSeconds: busy.map { 2 * $0 },
            delayedSeconds: delayed.map { 2 * $0 }, elapsedSeconds: 2)
    }

    private func proof(
        _ reports: [GeneratorReport], p99Milliseconds: UInt64 = 10,
        loop: LoadShape.Loop = .open
    ) -> GeneratorProof {
        var latency = LatencySummary()
        latency.p99Nanoseconds = p99Milliseconds * 1_000_000
        return GeneratorProof(reports, latency: latency, loop: loop)
    }

    @Test("a client that is idle and on time is no bottleneck")
    func free() {
        let proof = proof([report(), report(busy: 0.3)])
        #expect(proof.isBound == false)
        #expect(abs((proof.busyShare ?? 0) - 0.3) < 1e-9)
        #expect(proof.reason.contains("30 %"))
    }

    @Test("one busy worker of several is a bottleneck")
    func busy() {
        let proof = proof([report(), report(busy: 0.95)])
        #expect(proof.isBound == true && proof.reason.contains("95 %"))
    }

    @Test("so is one that waits for a processor")
    func delayed() {
        let proof = proof([report(busy: 0.5, delayed: 0.45)])
        #expect(proof.isBound == true && proof.reason.contains("waited for a processor for 45 %"))
    }

    @Test("a lag that is a large part of the latency is the client's", arguments: [2, 9])
    func late(lag: Int) {
        let proof = proof([report(lagMilliseconds: lag)], p99Milliseconds: UInt64(lag) * 3)
        #expect(proof.isBound == true && proof.reason.contains("though a connection was free"))
    }

    @Test("a lag that is a small part of it is not")
    func littleLate() {
        #expect(proof([report(lagMilliseconds: 2)], p99Milliseconds: 90).isBound == false)
    }

    @Test("without a figure of its workers a closed loop tells nothing")
    func unknown() {
        var silent = report(busy: nil, delayed: nil)
        silent.sendLag = SparseHistogram()
        #expect(proof([silent], loop: .closed).isBound == nil)
        #expect(proof([report(busy: nil, delayed: nil)]).isBound == false)
    }

    @Test("requests that waited for a connection are told, and are no verdict on the client")
    func waited() {
        let proof = proof([report(waited: 7), report(waited: 5)])
        #expect(proof.isBound == false && proof.waitedForConnection == 12)
        #expect(proof.reason.contains("12 requests waited for a free connection"))
    }
}
