// The command line of uring-bench, and what its options make of their values.

import ArgumentParser
import ConnectionBench
import FuzzTargets

@testable import UringBenchTool

extension FuzzTarget {
    /// The targets that need more than the library.
    public static let tool: [FuzzTarget] = [.commandLine, .optionValues, .resultPage]

    /// Words, one on a line. Nothing is run: what they ask for is read, checked and planned.
    static let commandLine = FuzzTarget(
        "command-line",
        text: { text in
            let words = text.split(separator: "\n", omittingEmptySubsequences: false).map(
                String.init)
            guard !words.contains(childArgument) else { return }
            do {
                let command = try UringBench.parseAsRoot(words)
                guard let run = command as? RunCommand else { return }
                let plan = try run.plan()
                promise(
                    plan.climbsToWall || plan.connections >= 1, "\(plan.connections) connections")
                promise(plan.climbsToWall || plan.steps.last == plan.connections, "\(plan.steps)")
                promise(
                    plan.messageByteCount <= plan.bufferByteCount, "a message beyond the buffer")
                promise(plan.requestsPerSecond.isFinite && plan.requestsPerSecond > 0, "a rate")
                promise(plan.load.activeFraction > 0 && plan.load.activeFraction <= 1, "active")
                promise(plan.connectsPerSecond.map { $0.isFinite && $0 > 0 } ?? true, "connects/s")
                promise(plan.probeSeconds >= 0 && plan.holdSeconds >= 0, "seconds")
                _ = plan.load.words
                _ = plan.load.active(of: plan.connections)
                _ = RunOptions.clash(in: words)
            } catch {
                // Whatever is wrong with it is said, with one of the documented codes.
                _ = UringBench.message(for: error)
                let code = UringBench.exitCode(for: error).rawValue
                promise(code == 0 || code == 64, "exit code \(code) for \(words)")
            }
        })

    /// One text as the value of each option.
    static let optionValues = FuzzTarget(
        "option-values",
        text: { text in
            within(0...Double(Int64.max)) { Double(try Allowed.connections.parse(text)) }
            within(1...65_535) { Double(try Allowed.backlog.parse(text)) }
            within(0...65_535) { Double(try Allowed.port.parse(text)) }
            within(0...600) { try Allowed.warmup.parse(text) }
            within(1...86_400) { try Allowed.rampSeconds.parse(text) }
            within(0...3_600) { try Allowed.probe.parse(text) }
            within(0.nextUp...1_000_000) { try Allowed.messageRate(text) }
            within(0.nextUp...1) { try Allowed.noise(text) }
            within(0.nextUp...1) { try RequestOptions.fraction(text) }
            if let stall = try? LoadOptions.stall(text) {
                promise(stall.seconds >= 0.001 && stall.seconds < stall.periodSeconds, "\(stall)")
                promise(stall.periodSeconds <= 60, "\(stall)")
            }
            if let ports = try? PortRange(parsing: text) {
                promise(ports.first > 0 && ports.first <= ports.last, "\(ports)")
                promise("\(ports.first)-\(ports.last)".utf8.count <= text.utf8.count, "'\(text)'")
            }
            if let setting = try? SysctlSetting(parsing: text) {
                promise(setting.name.hasPrefix("net") && !setting.value.isEmpty, "\(setting)")
            }
            if let target = try? ConnectionTarget(parsing: text), let count = target.count {
                promise(count >= 1, "\(count) connections")
            }
            if let kind = try? OutputKind(path: text) {
                promise(text.lowercased().hasSuffix(".\(kind.rawValue)"), "'\(text)' is \(kind)")
            }
            if let seed = try? Allowed.seed(text) {
                promise((try? Allowed.seed("\(seed)")) == seed, "\(seed)")
            }
        })

    private static func within(_ range: ClosedRange<Double>, _ body: () throws -> Double) {
        guard let value = try? body() else { return }
        promise(range.contains(value), "\(value) is not within \(range)")
    }
}
