// `--stream`: a run as lines of JSON while it goes on, to a reader that may be slow or go away.

import ConnectionEngine
import Glibc
import Synchronization

/// Writes from a thread of its own, so that the run and the guard of the host wait for nobody.
public final class RunStream: RunObserver {
    public struct OpenError: Error, CustomStringConvertible {
        public let description: String
    }

    /// Lines that may wait for a slow reader; further ones are dropped and counted.
    private static let linesMax = 10_000
    /// How long the end of a run waits for a reader that takes nothing.
    private static let endSeconds = 2.0

    private struct Queue: Sendable {
        var lines: [String] = []
        var dropped = 0
        var isEnding = false
        var isClosed = false
    }

    private let fd: CInt
    private let queue = Mutex(Queue())
    private let semaphore: Semaphore
    private let thread = Mutex<BackgroundThread?>(nil)
    /// What has to be said about the reader, once.
    private let complain: @Sendable (String) -> Void

    /// - Parameters:
    ///   - path: `-` is standard output. A pipe is waited for until somebody reads it.
    ///   - complain: takes a line for people, on the stream's thread.
    public init(path: String, complain: @escaping @Sendable (String) -> Void) throws(OpenError) {
        fd =
            path == "-"
            ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard fd >= 0 else {
            throw OpenError(description: String(cString: strerror(errno)))
        }
        self.complain = complain
        semaphore = Semaphore()
        // Its reader may go away: that is an error of a write, and no signal.
        signal(SIGPIPE, SIG_IGN)
        do throws(SystemError) {
            let thread = try BackgroundThread("stream") { [unowned self] in write() }
            self.thread.withLock { $0 = thread }
        } catch {
            throw OpenError(description: "\(error)")
        }
    }

    public func observe(_ event: RunEvent) {
        queue.withLock { queue in
            guard !queue.isClosed else { return }
            var isEnd = false
            if case .ended = event { isEnd = true }
            // The end is always told.
            guard queue.lines.count < RunStream.linesMax || isEnd else {
                queue.dropped += 1
                return
            }
            do {
                let line = try JSONText.line(StreamLine(event, linesDropped: queue.dropped))
                queue.lines.append(line + "\n")
            } catch {
                queue.dropped += 1
            }
        }
        semaphore.post()
    }

    /// Writes what is left, for a reader that takes it. Call it once.
    public func finish() {
        queue.withLock { $0.isEnding = true }
        semaphore.post()
        thread.withLock { $0 }?.join()
        if fd != STDOUT_FILENO { close(fd) }
    }

    // MARK: On its thread

    private func write() {
        while true {
            let (lines, isEnding) = queue.withLock { queue in
                defer { queue.lines = [] }
                return (queue.lines, queue.isEnding)
            }
            if lines.isEmpty {
                if isEnding { return }
                semaphore.wait()
                continue
            }
            if let reason = write(Array(lines.joined().utf8)) {
                queue.withLock { $0.isClosed = true }
                return complain(reason)
            }
        }
    }

    /// - Returns: why nothing more can be written; `nil`: all was.
    private func write(_ bytes: [UInt8]) -> String? {
        var rest = bytes[...]
        var movedAt = MonotonicTime.now
        while !rest.isEmpty {
            var waiting = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
            guard poll(&waiting, 1, 100) > 0 else {
                let isEnding = queue.withLock { $0.isEnding }
                if isEnding, MonotonicTime.now.seconds(since: movedAt) > RunStream.endSeconds {
                    return "its reader takes nothing; the end of the stream is lost"
                }
                if !isEnding { movedAt = .now }
                continue
            }
            // So much always fits into a pipe that is ready, and the write does not block.
            let count = rest.withUnsafeBytes {
                Glibc.write(fd, $0.baseAddress!, min($0.count, Int(PIPE_BUF)))
            }
            if count < 0 && (errno == EINTR || errno == EAGAIN) { continue }
            if count <= 0 {
                return errno == EPIPE
                    ? "its reader has gone away; the run goes on"
                    : "\(String(cString: strerror(errno))); the run goes on without the stream"
            }
            rest = rest.dropFirst(count)
            movedAt = .now
        }
        return nil
    }
}

/// Wakes one thread.
private final class Semaphore: @unchecked Sendable {
    private let pointer = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() {
        sem_init(pointer, 0, 0)
    }

    deinit {
        sem_destroy(pointer)
        pointer.deallocate()
    }

    func post() {
        sem_post(pointer)
    }

    func wait() {
        while sem_wait(pointer) != 0 && errno == EINTR {}
    }
}
