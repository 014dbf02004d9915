// A value under a lock that the thread sanitizer understands (it knows pthread mutexes, but not the
// futex of `Synchronization.Mutex`).

@testable import ConnectionEngine

final class Locked<Value>: @unchecked Sendable {
    private let lock = Lock()
    private var value: Value

    init(_ value: sending Value) {
        self.value = value
    }

    func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}
