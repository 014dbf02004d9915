// The values of options: what each of them allows, and how it says so.

import ArgumentParser
import ConnectionBench
import ConnectionEngine

/// The counts that an option allows.
struct CountRange {
    let range: ClosedRange<Int>
    /// Follows the range in the message, with an example.
    let hint: String

    init(_ range: ClosedRange<Int>, _ hint: String) {
        self.range = range
        self.hint = hint
    }

    /// Reads `500000`, `500k` or `1.5M`.
    ///
    /// - Throws: what is allowed, in words that follow "The value … is invalid for …: ".
    func parse(_ text: String) throws -> Int {
        let value: Int?
        do throws(CountError) {
            value = try Count(parsing: text).value
        } catch {
            // Beyond any count is beyond this range too.
            guard case .tooLarge = error else { throw ValidationError("\(error)") }
            value = nil
        }
        guard let value, range.contains(value) else {
            throw ValidationError(
                "allowed is \(Count.format(range.lowerBound)) to"
                    + " \(Count.format(range.upperBound)) \(hint)")
        }
        return value
    }
}

/// The seconds that an option allows.
struct SecondsRange {
    let range: ClosedRange<Double>

    init(_ range: ClosedRange<Double>) {
        self.range = range
    }

    func parse(_ text: String) throws -> Double {
        guard let value = Double(text), range.contains(value) else {
            throw ValidationError(
                "allowed is \(Int(range.lowerBound)) to \(Count.format(Int(range.upperBound)))"
                    + " seconds, for example \(range.contains(0.5) ? "0.5" : "1.5")")
        }
        return value
    }
}

/// The lengths of time that an option allows.
struct DurationRange {
    let range: ClosedRange<Double>
    /// For example `30m`.
    let example: String

    init(_ range: ClosedRange<Double>, _ example: String) {
        self.range = range
        self.example = example
    }

    func parse(_ text: String) throws -> Double {
        let seconds: Double
        do throws(DurationError) {
            seconds = try DurationCount(parsing: text).seconds
        } catch {
            throw ValidationError("\(error)")
        }
        guard range.contains(seconds) else {
            throw ValidationError(
                "allowed is \(DurationCount.text(range.lowerBound)) to"
                    + " \(DurationCount.text(range.upperBound)), for example \(example)")
        }
        return seconds
    }
}

enum Allowed {
    static let connections = CountRange(1...100_000_000, "connections, for example 500k, or max")
    static let rate = CountRange(
        1...100_000_000, "requests/s, for example 10k; --probe 0 sends none")
    static let buffer = CountRange(16...1 << 20, "bytes, for example 2048")
    static let burst = CountRange(1...1_000_000, "requests, for example 10")
    static let pipeline = CountRange(1...LoadShape.pipeliningMax, "requests, for example 8")
    static let churn = CountRange(1...10_000_000, "connections/s, for example 500")
    static let soakTime = DurationRange(2...31 * 86_400, "30m")
    static let lookTime = DurationRange(0.5...3_600, "5s")
    static let lag = DurationRange(0.001...60, "100ms")
    static let soakChurn = CountRange(0...1_000_000, "connections/s, for example 500")
    static let serverWork = CountRange(0...1_000_000, "microseconds, for example 50")
    static let warmup = SecondsRange(0...600)
    static let rampSeconds = SecondsRange(1...86_400)
    static let lifetime = SecondsRange(1...86_400)
    static let churnSeconds = SecondsRange(1...3_600)
    static let connectWindow = CountRange(1...100_000, "connects, for example 512")
    static let connectRate = CountRange(1...100_000_000, "connects/s, for example 5k")
    static let workers = CountRange(1...64, "workers, for example 2")
    static let port = CountRange(0...65_535, "(0: the kernel chooses), for example 7000")
    static let memoryFloor = CountRange(0...Count.largest, "bytes, for example 2G")
    static let sources = CountRange(1...16_000_000, "addresses, for example 8")
    static let processes = CountRange(1...512, "processes, for example 1")
    static let processID = CountRange(1...4_194_304, "as ps(1) has it, for example 1234")
    static let backlog = CountRange(1...65_535, "connections, for example 4096")
    static let probe = SecondsRange(0...3_600)
    static let sourcePorts = CountRange(
        PortStoryPlan.portsAllowed, "source ports, for example 16k")
    static let strategySeconds = SecondsRange(1...3_600)
    static let stallTimeout = SecondsRange(1...3_600)
    static let hold = SecondsRange(0...86_400)

    static func messageRate(_ text: String) throws -> Double {
        guard let rate = Double(text), rate > 0, rate <= 1_000_000 else {
            throw ValidationError("allowed is more than 0 to 1,000,000 messages/s, for example 0.1")
        }
        return rate
    }

    static func seed(_ text: String) throws -> UInt64 {
        guard let seed = UInt64(text) else {
            throw ValidationError("allowed is any whole number from 0 on, for example 42")
        }
        return seed
    }
}

/// A number of connections, or as many as there can be.
enum ConnectionTarget: Equatable {
    case count(Int)
    case max

    /// `nil`: as many as there can be.
    var count: Int? { if case .count(let count) = self { count } else { nil } }

    init(parsing text: String) throws {
        self = text == "max" ? .max : .count(try Allowed.connections.parse(text))
    }
}

struct PortRange {
    let first: UInt16
    let last: UInt16

    init(parsing text: String) throws {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
            .map { UInt16($0) }
        guard ends.count == 2, let first = ends[0], let last = ends[1], first > 0, first <= last
        else {
            throw ValidationError(
                "allowed is FIRST-LAST within 1 to 65535, for example 20000-29999")
        }
        self.first = first
        self.last = last
    }
}

struct SysctlSetting {
    let name: String
    let value: String

    init(parsing text: String) throws {
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2, parts[0].hasPrefix("net.") || parts[0].hasPrefix("net/") else {
            throw ValidationError(
                "allowed is net.…=VALUE, for example net.ipv4.tcp_max_tw_buckets=1000")
        }
        name = parts[0]
        value = parts[1]
    }
}

enum BackendChoice: String, CaseIterable, ExpressibleByArgument {
    case uring, epoll, threads, auto

    var kind: BackendKind? { BackendKind(rawValue: rawValue) }
}

extension Pinning: ExpressibleByArgument {}
extension Teardown: ExpressibleByArgument {}
extension IdleMode: ExpressibleByArgument {}
extension SourcePorts: ExpressibleByArgument {}
extension Isolation: ExpressibleByArgument {}
