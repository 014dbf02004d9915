// The port story's table and sentences, from made-up measurements.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct PortStoryTableTests {
    /// Points of 50 connects each at these rates; a last one is cut off after `cutAfter`.
    private func climb(
        _ strategy: PortStrategy, rates: [Double], cutAfter: Int? = nil,
        end: PortClimbResult.End = .exhausted, evenPorts: Int = 250
    ) -> PortClimbResult {
        let points = rates.indices.map { row in
            let count = row == rates.count - 1 ? cutAfter ?? 50 : 50
            return PortClimbResult.Point(
                connectionsFrom: row * 50, connectionsTo: row * 50 + count,
                connectionsPlanned: (row + 1) * 50, occupancyPercent: Double(5 * (row + 1)),
                seconds: Double(count) / rates[row], connectsPerSecond: rates[row],
                medianNanoseconds: UInt64(1e9 / rates[row]),
                p99Nanoseconds: UInt64(3e9 / rates[row]), processorSeconds: 0,
                processorMicrosecondsPerConnect: 1e6 / rates[row])
        }
        let connections = points.last?.connectionsTo ?? 0
        return PortClimbResult(
            strategy: strategy, explanation: strategy.explanation, end: end,
            errno: end == .exhausted ? "EADDRNOTAVAIL" : nil, connections: connections,
            distinctPorts: connections, evenPortsInFirstHalf: evenPorts, seconds: 1,
            userSeconds: 0.1, systemSeconds: 0.9, points: points)
    }

    private func result(_ strategies: [PortClimbResult]) -> PortStoryResult {
        var result = PortStoryResult(
            tool: ToolFacts(version: "0", commit: nil, buildMode: "debug", compiler: "Swift"),
            commandLine: [], startedAt: "", host: HostFacts(),
            plan: PortStoryPlan(ports: 1_000, secondsPerStrategy: 20))
        result.strategies = strategies
        result.complete = true
        return result
    }

    private let cliff = Array(repeating: 40_000.0, count: 10) + Array(repeating: 500, count: 10)
    private let flat = Array(repeating: 40_000.0, count: 20)

    @Test("every line fits 80 columns, and has a row for each twentieth")
    func width() {
        let text = PortStoryTable(
            result([
                climb(.kernel, rates: cliff), climb(.bindNoPort, rates: cliff),
                climb(.localRange, rates: flat), climb(.planner, rates: flat),
            ])
        ).text
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        for line in lines { #expect(line.count <= 80, "\(line)") }
        #expect(lines.count { $0.hasPrefix(" 55 %") } == 2)
        #expect(lines.count { $0.prefix(5).hasSuffix(" %") } == 40)
    }

    @Test("the cliff is named with numbers from the points")
    func sentences() {
        let sentences = PortStoryFindings(
            result([climb(.kernel, rates: cliff, evenPorts: 500), climb(.planner, rates: flat)])
        ).sentences
        #expect(sentences.count == 2)
        #expect(sentences[0].contains("40,000 and 500 connects/s"))
        #expect(sentences[0].contains("80.0 times slower"))
        #expect(sentences[0].contains("first 500 ports are all of one parity"))
        #expect(sentences[0].contains("2,000 µs of processor time"))
        #expect(sentences[1].contains("flat, 40,000 and 40,000 connects/s"))
        #expect(sentences[1].contains("80.0 times the rate"))
    }

    @Test("where there is no cliff none is claimed, and no parity that was not seen")
    func noCliff() {
        let even = PortStoryFindings(result([climb(.kernel, rates: flat)])).sentences
        #expect(
            even == [
                "kernel: no cliff, 40,000 and 40,000 connects/s in the two halves of the range"
                    + " (median rows)."
            ])
        let mixed = PortStoryFindings(result([climb(.kernel, rates: cliff)])).sentences
        #expect(!mixed[0].contains("parity"))
    }

    @Test("what was not reached is a dash, and a row that was cut off has a mark")
    func cutOff() {
        let cut = climb(
            .kernel, rates: Array(repeating: 30_000, count: 3), cutAfter: 7, end: .outOfTime)
        let text = PortStoryTable(result([cut, climb(.planner, rates: flat)])).text
        #expect(text.contains("* kernel: only 7 of the 50 connects of this row"))
        #expect(text.contains("- not reached in time"))
        #expect(text.contains("kernel: 107 connections in 1.0 s, then the time was over"))
        #expect(text.contains("kernel: not beyond half of the range"))
        #expect(text.contains("bind-no-port, local-range: not begun"))
    }

    @Test("percentiles are samples of the nearest rank")
    func ranks() {
        let samples = (1...200).map { UInt64($0) }
        #expect(PortMeter.rank(50, of: samples) == 100)
        #expect(PortMeter.rank(99, of: samples) == 198)
        #expect(PortMeter.rank(99, of: [7]) == 7)
        #expect(PortMeter.rank(50, of: [7, 8]) == 7)
    }

    @Test(
        "the port range has as many ports as asked for, above the listener's",
        arguments: [20, 400, 16_000, 32_768, 32_769, 64_512])
    func ranges(ports: Int) {
        let plan = PortStoryPlan(ports: ports, secondsPerStrategy: 1)
        #expect(Int(plan.portLast) - Int(plan.portFirst) + 1 == ports)
        #expect(plan.portFirst >= 1_024 && PortStoryPlan.listening.port < 1_024)
    }
}
