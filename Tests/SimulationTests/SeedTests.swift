// Thousands of seeds: each is a client, a server, their kernel, and what goes wrong with it.

import Glibc
import Testing

@testable import Simulation

extension SimulationTests {
    @Suite struct Seeds {
        /// `SEED=1248 SEEDS=1 swift test --filter SimulationTests` replays one.
        @Test("every seed drains, with every byte, buffer, slot and completion accounted for")
        func seeds() {
            let first = UInt64(Environment.number("SEED") ?? 1)
            let count = UInt64(Environment.number("SEEDS") ?? 10_000)
            var fired = [UInt64](repeating: 0, count: Fault.allCases.count)
            var failures = 0
            var connections = 0
            var turns = 0
            for seed in first..<first + count {
                let outcome = Simulation.run(seed: seed)
                connections += outcome.connections
                turns += outcome.turns
                for fault in Fault.allCases {
                    fired[fault.rawValue] += outcome.faults.fired[fault.rawValue]
                }
                if outcome.violations.isEmpty { continue }
                failures += 1
                if failures <= 10 {
                    Issue.record(
                        "\(Replay.line(seed)) \(outcome.violations.joined(separator: "; "))")
                }
            }
            print(
                "simulation: \(count) seeds from \(first), \(failures) failed, \(connections)"
                    + " connections, \(turns) turns")
            for fault in Fault.allCases { print("  \(fault) \(fired[fault.rawValue])") }
            #expect(failures == 0)
            // A kind that no longer fires tests nothing any more.
            if count < 1_000 { return }
            for fault in Fault.allCases where fired[fault.rawValue] < count / 10 {
                Issue.record("\(fault) fired only \(fired[fault.rawValue]) times")
            }
        }

        @Test("a seed is the same run each time", arguments: [1, 77, 4_242, 1 << 40])
        func replays(seed: UInt64) {
            let first = Simulation.run(seed: seed)
            let second = Simulation.run(seed: seed)
            #expect(first.trace == second.trace)
            #expect(first.turns == second.turns)
            #expect(first.virtualSeconds == second.virtualSeconds)
            #expect(first.faults.fired == second.faults.fired)
            #expect(Simulation.run(seed: seed + 1).trace != first.trace)
        }

        @Test("without faults every connection is opened, and ends as its plan says")
        func calm() {
            for seed in 1...200 as ClosedRange<UInt64> {
                var settings = SimulationSettings(seed: seed)
                settings.faults = .none
                settings.descriptors = 512
                settings.faultTurns = 20_000
                settings.mustFinish = true
                // With few, clients that are not accepted could keep what the others wait for.
                settings.clientLimits.buffers = 64
                settings.serverLimits.buffers = 64
                let outcome = Simulation.run(settings)
                #expect(outcome.violations == [], "\(Replay.line(seed))")
                #expect(outcome.connections == settings.connections)
            }
        }
    }
}

/// One after the other: there is one simulated kernel at a time.
@Suite(.serialized) struct SimulationTests {}

enum Environment {
    static func number(_ name: String) -> Int? {
        guard let text = getenv(name) else { return nil }
        guard let number = Int(String(cString: text)) else {
            fatalError("\(name) must be a number, not \(String(cString: text))")
        }
        return number
    }
}

/// What replays a failure: the seed alone means nothing without the code that it ran on.
enum Replay {
    static func line(_ seed: UInt64) -> String {
        "SEED=\(seed) COMMIT=\(commit): \(SimulationSettings(seed: seed));"
    }

    private static let commit: String = {
        guard let pipe = popen("git rev-parse --short HEAD 2>/dev/null", "r") else {
            return "unknown"
        }
        defer { pclose(pipe) }
        var line = [CChar](repeating: 0, count: 64)
        guard fgets(&line, 64, pipe) != nil else { return "unknown" }
        return String(
            decoding: line.prefix { $0 > 32 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }()
}
