// What a soak says in the end, and with which exit code.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct SoakResultTests {
    private func judged(_ change: (inout SoakResult) -> Void) -> SoakResult {
        var result = MadeUpSoak.complete
        change(&result)
        result.judge()
        return result
    }

    private func broken(_ kind: SoakCheck.Kind) -> SoakResult {
        judged { result in
            for index in result.checks.indices where result.checks[index].kind == kind {
                result.checks[index].look("at 5:00: it was not so")
            }
        }
    }

    @Test("all flat and nothing lost is a pass")
    func pass() {
        let result = judged { _ in }
        #expect(result.status == .pass && result.exitCode == 0)
        let text = SoakTable(result).text
        #expect(text.contains("server 0 memory") && text.contains("flat"))
        #expect(text.contains("ok      every buffer is back (300 looks)"))
        #expect(
            text.hasSuffix("PASS nothing rises, nothing was lost, and everything was given back"))
    }

    @Test("memory that rises is a leak, and named")
    func rising() {
        let result = judged { $0.series = [MadeUpSoak.memory(MadeUpSoak.leaking)] }
        #expect(result.status == .leak && result.exitCode == 98)
        let text = SoakTable(result).text
        #expect(text.contains("+19.1 MiB"), "\(text)")
        #expect(text.hasSuffix("LEAK rising: server 0 memory (exit 98)"), "\(text)")
    }

    @Test(
        "what was not given back is a leak",
        arguments: [.connections, .slots, .buffers, .descriptors, .threads, .sockets]
            as [SoakCheck.Kind])
    func kept(kind: SoakCheck.Kind) {
        let result = broken(kind)
        #expect(result.status == .leak && result.exitCode == 98)
        let text = SoakTable(result).text
        #expect(text.contains("BROKEN  \(kind.title): not at 1 of 301 looks; at 5:00"), "\(text)")
    }

    @Test(
        "what was lost is worse than what is kept",
        arguments: [.closes, .answers] as [SoakCheck.Kind])
    func lost(kind: SoakCheck.Kind) {
        var result = broken(kind)
        #expect(result.status == .lost && result.exitCode == 1)
        result.series = [MadeUpSoak.memory(MadeUpSoak.leaking)]
        result.judge()
        #expect(result.status == .lost)
    }

    @Test("a loop that was later than allowed misses its bound")
    func late() {
        func result(_ limit: Double?) -> SoakResult {
            judged {
                $0.soak.lagMaxSeconds = limit
                $0.lag.serverMaxNanoseconds = 150_000_000
            }
        }
        #expect(result(nil).status == .pass && result(0.2).status == .pass)
        #expect(result(0.1).status == .late && result(0.1).exitCode == 99)
        #expect(SoakTable(result(0.1)).text.contains("a loop was 150.0 ms late, at most 100 ms"))
    }

    @Test("a time that was too short is no pass, and the sentence says which is long enough")
    func short() {
        let result = judged {
            $0.times = [1, 2, 3]
            $0.series = [
                SoakSeries(
                    SoakColumn(
                        name: "server 0 memory", unit: .bytes, merge: .mean,
                        tolerance: .processMemory), times: [1, 2, 3], values: [5, 5, 5], from: 0,
                    spacing: 1)
            ]
        }
        #expect(result.status == .cannotTell && result.exitCode == 1)
        #expect(
            SoakTable(result).text.contains("give --for 46s or more"), "\(SoakTable(result).text)")
    }

    @Test("an end before its time keeps the code of its cause, and tells what was seen until then")
    func interrupted() {
        let result = judged {
            $0.complete = false
            $0.seconds = 60
            $0.stopped = StopReason(kind: .interrupted, message: "Ctrl-C", exitCode: 130)
        }
        #expect(result.status == .incomplete && result.exitCode == 130)
        #expect(
            SoakTable(result).text.contains("INCOMPLETE ended after 60 s of 30:00 min, all checks"))
    }

    @Test("of many processes the steepest are shown, and all that rise")
    func many() {
        let result = judged { result in
            result.series = (0..<30).map { number in
                var series = MadeUpSoak.memory(
                    number == 17 ? MadeUpSoak.leaking : MadeUpSoak.flat)
                series.name = "server \(number) memory"
                return series
            }
        }
        let text = SoakTable(result).text
        #expect(text.contains("server 17 memory"))
        #expect(text.contains("and 26 more processes"), "\(text)")
    }

    @Test("the warm-up of a soak with FIN covers the minute of TIME_WAIT")
    func warmup() {
        func warmup(_ seconds: Double, _ closing: SoakShape.Closing, churn: Double = 1) -> Double {
            SoakShape(seconds: seconds, closesPerSecond: churn, closing: closing).warmupSeconds
        }
        #expect(warmup(1_800, .reset) == 180 && warmup(1_800, .mixed) == 180)
        #expect(warmup(300, .fin) == 75 && warmup(300, .reset) == 30)
        #expect(warmup(60, .fin) == 30 && warmup(300, .fin, churn: 0) == 30)
    }

    @Test("looks are 1 to 10 s apart, and there are sources for all that is replaced")
    func shape() {
        #expect(SoakShape(seconds: 6, closesPerSecond: 0).sampleSeconds == 1)
        #expect(SoakShape(seconds: 1_800, closesPerSecond: 0).sampleSeconds == 6)
        #expect(SoakShape(seconds: 86_400, closesPerSecond: 0).sampleSeconds == 10)
        #expect(SoakShape(seconds: 60, closesPerSecond: 0).replacements(workers: 2) == 0)
        let shape = SoakShape(seconds: 1_800, closesPerSecond: 500)
        #expect(shape.replacements(workers: 2) == 301 * 3_002)
    }
}
