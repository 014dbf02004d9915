// Which backends are tested: all of them, unless a missing io_uring was allowed by name.

import ConnectionEngine
import Glibc
import Testing

/// All tests that start engines; one at a time, since they share descriptors, ports and processors.
@Suite(.serialized) struct Contract {}

/// Whether this machine may be without io_uring (`CONNECTION_ENGINE_ALLOW_NO_IO_URING=1`).
private let allowsNoURing =
    getenv("CONNECTION_ENGINE_ALLOW_NO_IO_URING").map { $0[0] == 49 } ?? false

private let hasURing: Bool = {
    do {
        let engine = try Engine(Configuration(backend: .uring)) { _ in IdleHandler() }
        engine.stop()
        try engine.join()
        return true
    } catch {
        return false
    }
}()

/// Asks for nothing, whatever comes.
struct IdleHandler: Handler {
    /// Not empty: an empty field lies at its object's first word, the type that every thread reads, and
    /// the thread sanitizer takes an access to the handler for one to that.
    private var turns = 0

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        turns += 1
    }
}

/// io_uring is skipped, and the tests say so, only where its absence was allowed.
let mustSkipURing = allowsNoURing && !hasURing

extension BackendKind {
    /// The backends of a parametrised test.
    static var tested: [BackendKind] { allCases.filter { $0 != .uring || !mustSkipURing } }
    /// Those that multiplex: a thread per connection takes no batches and has no queue to fill.
    static var multiplexing: [BackendKind] { tested.filter { $0 != .threads } }
}

extension Trait where Self == ConditionTrait {
    /// For tests of io_uring alone.
    static var needsURing: Self {
        .disabled(if: mustSkipURing, "CONNECTION_ENGINE_ALLOW_NO_IO_URING=1 and no io_uring here")
    }
}

extension Contract {
    @Test("io_uring works on this machine", .needsURing)
    func ringCanBeMade() throws {
        let engine = try Engine(Configuration(backend: .uring)) { _ in IdleHandler() }
        engine.stop()
        try engine.join()
    }
}
