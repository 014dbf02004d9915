// How the host feels meanwhile: `sleep 0.1` as a person would type it, once a second.

import ConnectionEngine
import Glibc
import Synchronization

/// What somebody at a shell on this machine would have seen.
public struct ShellResponse: Codable, Hashable, Sendable {
    public var command = "sleep 0.1"
    public var runs = 0
    public var failures = 0
    public var medianSeconds = 0.0
    public var maxSeconds = 0.0
}

/// Starts the command again and again and takes the time from before the fork to its end.
final class ShellProbe: Sendable {
    private let seconds = Mutex<[Double]>([])
    private let failures = Atomic<Int>(0)
    private let isStopping = Atomic<Bool>(false)
    private let thread = Mutex<BackgroundThread?>(nil)

    init() throws(SystemError) {
        let thread = try BackgroundThread("shell-probe") { [unowned self] in run() }
        self.thread.withLock { $0 = thread }
    }

    /// Ends the probing. Call it once.
    func finish() -> ShellResponse {
        isStopping.store(true, ordering: .releasing)
        thread.withLock { $0 }?.join()
        let sorted = seconds.withLock { $0 }.sorted()
        var response = ShellResponse()
        response.runs = sorted.count
        response.failures = failures.load(ordering: .acquiring)
        response.medianSeconds = sorted.isEmpty ? 0 : sorted[sorted.count / 2]
        response.maxSeconds = sorted.last ?? 0
        return response
    }

    private func run() {
        while !isStopping.load(ordering: .acquiring) {
            let startedAt = MonotonicTime.now
            if ShellProbe.sleepOnce() {
                let taken = MonotonicTime.now.seconds(since: startedAt)
                seconds.withLock { $0.append(taken) }
            } else {
                failures.add(1, ordering: .relaxed)
            }
            let left = 1 - MonotonicTime.now.seconds(since: startedAt)
            // In pieces, so that the end of a run does not wait for it.
            var waited = 0.0
            while waited < left, !isStopping.load(ordering: .acquiring) {
                usleep(50_000)
                waited += 0.05
            }
        }
    }

    private static func sleepOnce() -> Bool {
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sleep"), strdup("0.1"), nil]
        defer { for argument in arguments { free(argument) } }
        var pid = pid_t()
        guard posix_spawnp(&pid, "sleep", nil, nil, &arguments, environ) == 0 else { return false }
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0 {
            if errno != EINTR { return false }
        }
        return status == 0
    }
}
