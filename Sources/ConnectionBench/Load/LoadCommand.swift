// What a load client is told to do, one command at a time.

import ConnectionEngine
import Synchronization

/// A phase of the load. Every command is done by each worker for its own share.
enum LoadCommand: Codable, Sendable {
    /// Opens connections until `target` exist.
    ///
    /// - Parameter allDueNanoseconds: all of them are due at this time, without a window; `nil`: each
    ///   is due when its turn comes.
    case ramp(target: Int, allDueNanoseconds: UInt64? = nil)
    /// Sends as the shape of the load says.
    case probe(ProbeOrder)
    /// The same, while connections end and are replaced, this worker's oldest first.
    ///
    /// - Parameter inOrder: they end with FIN instead of a reset.
    case churn(ProbeOrder, closesPerSecond: Double, inOrder: Bool)
    /// Echoes once on every connection, `window` at a time.
    case sweep
    /// Gives up connects that are on their way and ends the newest connections until `target`
    /// exist.
    case shed(target: Int)
    /// Ends all connections: with a reset, or in order.
    case close(reset: Bool)
}

/// One worker's part of a probe.
struct ProbeOrder: Codable, Sendable {
    /// Of the open loop.
    var requestsPerSecond: Double
    /// Connections that are sent to, spread evenly over all; `nil`: all.
    var activeConnections: Int?
    var startNanoseconds: UInt64
    /// From the start on: sent, and not recorded.
    var warmupNanoseconds: UInt64 = 0
    /// After the warm-up.
    var durationNanoseconds: UInt64
}

/// What a worker says of a command that is done.
struct LoadReport: Codable, Sendable {
    var connectLatency = SparseHistogram()
    var echoLatency = SparseHistogram()
    /// Requests that were due, sent and answered in the probe.
    var due = 0
    var sent = 0
    var answered = 0
    /// Requests that the histogram holds with "at least so long", because no answer came in time.
    var censored = 0
    /// How well the worker itself kept to the schedule.
    var generator: GeneratorReport?
    /// Connections of a churn that were ended, and those that took their places.
    var retired = 0
    var replaced = 0
    /// Connections that have never echoed.
    var neverEchoed = 0
    /// When every so many connections of this worker came to exist, see `rampMarkInterval`.
    var rampMarksNanoseconds: [UInt64] = []
    /// Connects that failed, by errno.
    var failures: [Int32: Int] = [:]
    /// Connections that ended though nobody asked since the last report, by errno; 0: the server's
    /// orderly end.
    var losses: [Int32: Int] = [:]
    /// The ramp was given up: too many failures.
    var gaveUp = false

    /// Connections of one worker between two marks: so few that the marks of all workers together
    /// are never more than 1,000 connections behind.
    static func rampMarkInterval(workers: Int) -> Int { max(1, 1_000 / workers) }
}

/// Hands commands from a control thread to a handler, and reports back.
final class LoadMailbox: Sendable {
    private struct State {
        /// Counts the commands.
        var number = 0
        var command: LoadCommand?
        var report: LoadReport?
        /// A report that nobody took before the next command.
        var unread: LoadReport?
    }

    private let state = Mutex(State())
    /// Raised with every command; a handler looks at it each turn without taking the lock.
    private let number = Atomic<Int>(0)

    var newest: Int { number.load(ordering: .acquiring) }

    func post(_ command: LoadCommand) {
        state.withLock {
            $0.number += 1
            $0.command = command
            $0.unread = $0.report ?? $0.unread
            $0.report = nil
            number.store($0.number, ordering: .releasing)
        }
    }

    /// The newest command with its number, once, and the report that was not read before it.
    func takeCommand() -> (number: Int, command: LoadCommand, unread: LoadReport?)? {
        state.withLock { state in
            defer {
                state.command = nil
                state.unread = nil
            }
            return state.command.map { (state.number, $0, state.unread) }
        }
    }

    func deliver(_ report: LoadReport) {
        state.withLock { $0.report = report }
    }

    func takeReport() -> LoadReport? {
        state.withLock { state in
            defer { state.report = nil }
            return state.report
        }
    }
}
