// The shape of a load: sizes as people write them, its words, its need of tuples.

import FoundationEssentials
import Testing

@testable import ConnectionBench

@Suite struct LoadShapeTests {
    @Test("a size, a range and weights are understood")
    func sizes() throws {
        #expect(try MessageSizes(parsing: "64") == .uniform(from: 64, to: 64))
        #expect(try MessageSizes(parsing: "64").single == 64)
        #expect(try MessageSizes(parsing: "64-1k") == .uniform(from: 64, to: 1_000))
        let list = try MessageSizes(parsing: "64:90,1024:9,16k:1")
        #expect(
            list
                == .weighted(sizes: [
                    .init(byteCount: 64, weight: 90), .init(byteCount: 1_024, weight: 9),
                    .init(byteCount: 16_000, weight: 1),
                ]))
        #expect(list.largest == 16_000 && list.single == nil)
        #expect(list.words == "64 B (90.0 %), 1,024 B (9.0 %), 16,000 B (1.0 %)")
    }

    @Test(
        "anything else is refused with what is allowed",
        arguments: [
            "", "0", "-5", "64-", "1024-64", "1-2-3", "64:", "64:0", ":5", "64:1,", "64,128",
            "64:1,64:2", "2M", "64:1.5", "abc", "64:1-2", "1:99999999999999999999",
        ])
    func wrongSizes(text: String) {
        let error = #expect(throws: MessageSizesError.self) { try MessageSizes(parsing: text) }
        #expect(error?.description.contains("allowed is 1 to 1,048,576 bytes") == true)
    }

    @Test("the plain shape has no words, and each choice has its own")
    func words() {
        var shape = LoadShape()
        #expect(shape.words.isEmpty)
        shape.loop = .closed
        shape.activeFraction = 0.01
        shape.pipelining = 8
        shape.churn = ChurnShape(closesPerSecond: 500, seconds: 10)
        shape.storms = true
        shape.server.workMicroseconds = 50
        shape.server.stall = ServerShape.Stall(seconds: 0.1, periodSeconds: 1)
        #expect(
            shape.words == [
                "closed loop", "1 % of the connections active", "up to 8 requests on a connection",
                "churn of 500.0 connections/s", "a reconnect storm",
                "50 µs of server work per request", "server stalls of 100.0 ms every 1.0 s",
            ])
        shape = LoadShape()
        shape.arrivals = .poisson
        shape.burst = 20
        #expect(shape.words == ["Poisson arrivals", "bursts of 20"])
    }

    @Test("a replaced connection has a tuple of its own, and one that storms back too")
    func replacements() {
        var shape = LoadShape()
        #expect(shape.replacements(of: 1_000, workers: 2) == 0)
        shape.churn = ChurnShape(closesPerSecond: 33, seconds: 0.5)
        #expect(shape.replacements(of: 1_000, workers: 2) == 19)
        shape.storms = true
        #expect(shape.replacements(of: 1_000, workers: 2) == 1_019)
    }

    @Test("a plan from before there were shapes reads as a plain load without a warm-up")
    func older() throws {
        let plan = RunPlan(connections: 5, steps: [5], seed: 1)
        let text = String(decoding: try JSONEncoder().encode(plan), as: UTF8.self)
        let older = text.replacing("\"load\":", with: "\"unknown\":")
        try #require(older != text)
        let read = try JSONDecoder().decode(RunPlan.self, from: Data(older.utf8))
        #expect(read.load.warmupSeconds == 0 && read.load.words.isEmpty)
        let same = try JSONDecoder().decode(RunPlan.self, from: Data(text.utf8))
        #expect(same.load == plan.load && same.load.warmupSeconds == 0.2)
    }

    @Test("a shape survives its way through JSON")
    func json() throws {
        var shape = LoadShape()
        shape.messages = try MessageSizes(parsing: "64:90,1024:9")
        shape.churn = ChurnShape(closesPerSecond: 5, seconds: 2)
        shape.server.stall = ServerShape.Stall(seconds: 0.1, periodSeconds: 1)
        let data = try JSONEncoder().encode(shape)
        #expect(try JSONDecoder().decode(LoadShape.self, from: data) == shape)
    }
}
