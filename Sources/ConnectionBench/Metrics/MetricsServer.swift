// A run's metrics on a local port, for a scraper, while it goes on.

import CLinux
import ConnectionEngine
import Glibc
import Synchronization

/// Answers `GET /metrics` on 127.0.0.1 from a thread of its own; one request at a time.
///
/// What a scraper does, or fails to do, never holds the run up: events only change a value.
public final class MetricsServer: RunObserver {
    /// For all of one request, however slowly it comes.
    private static let requestMilliseconds: CInt = 2_000
    private static let requestByteCountMax = 16_384

    /// Where it listens; the kernel's choice when 0 was asked for.
    public let port: UInt16
    private let fd: CInt
    private let state = Mutex(LiveMetrics())
    private let isStopping = Atomic<Bool>(false)
    private let thread = Mutex<BackgroundThread?>(nil)

    /// Binds the port and begins to answer.
    public init(port: UInt16) throws(SystemError) {
        // Child processes must not keep the port.
        fd = socket(AF_INET, CLinux_SOCK_STREAM | CLinux_SOCK_CLOEXEC, 0)
        guard fd >= 0 else { throw SystemError(Errno(errno), call: "socket") }
        do throws(SystemError) {
            self.port = try MetricsServer.listen(fd, port)
            let thread = try BackgroundThread("metrics") { [unowned self] in serve() }
            self.thread.withLock { $0 = thread }
        } catch {
            close(fd)
            throw error
        }
    }

    public func observe(_ event: RunEvent) {
        state.withLock { $0.apply(event) }
    }

    /// Ends the thread and closes the port. Call it once.
    public func stop() {
        isStopping.store(true, ordering: .releasing)
        thread.withLock { $0 }?.join()
        close(fd)
    }

    private static func listen(_ fd: CInt, _ port: UInt16) throws(SystemError) -> UInt16 {
        var one: CInt = 1
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<CInt>.size))
        var code = PlainSocket.bind(fd, to: .loopback(port: port))
        if code == 0, Glibc.listen(fd, 16) != 0 { code = errno }
        if code != 0 { throw SystemError(Errno(code), call: "bind") }
        return try PlainSocket.localAddress(of: fd).port
    }

    // MARK: On its thread

    private func serve() {
        while !isStopping.load(ordering: .acquiring) {
            var waiting = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 100) > 0 else { continue }
            let client = CLinux_accept(fd, CLinux_SOCK_NONBLOCK | CLinux_SOCK_CLOEXEC)
            guard client >= 0 else { continue }
            answer(client)
            close(client)
        }
    }

    private func answer(_ client: CInt) {
        let deadline = MonotonicTime.now.advanced(
            byNanoseconds: UInt64(MetricsServer.requestMilliseconds) * 1_000_000)
        guard let head = receive(client, deadline) else { return }
        let families = state.withLock { $0.families }
        let bytes = Array(MetricsAnswer(to: head, families).text.utf8)
        var rest = bytes[...]
        while !rest.isEmpty, wait(client, POLLOUT, deadline) {
            // A scraper that has gone away must not raise SIGPIPE.
            let sent = rest.withUnsafeBytes {
                send(client, $0.baseAddress!, $0.count, CInt(MSG_NOSIGNAL))
            }
            if sent < 0 && (errno == EINTR || errno == EAGAIN) { continue }
            if sent <= 0 { return }
            rest = rest.dropFirst(sent)
        }
    }

    /// A request's head; `nil`: none came in time.
    private func receive(_ client: CInt, _ deadline: MonotonicTime) -> String? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while bytes.count < MetricsServer.requestByteCountMax, wait(client, POLLIN, deadline) {
            let count = recv(client, &buffer, buffer.count, 0)
            if count < 0 && (errno == EINTR || errno == EAGAIN) { continue }
            if count <= 0 { return nil }
            bytes += buffer[..<count]
            if let head = MetricsServer.head(in: bytes) { return head }
        }
        return nil
    }

    /// What has come of a request, when its head is whole: up to an empty line.
    static func head(in bytes: [UInt8]) -> String? {
        let text = String(decoding: bytes, as: UTF8.self)
        return text.contains("\r\n\r\n") || text.contains("\n\n") ? text : nil
    }

    private func wait(_ client: CInt, _ events: CInt, _ deadline: MonotonicTime) -> Bool {
        let now = MonotonicTime.now
        guard now < deadline, !isStopping.load(ordering: .acquiring) else { return false }
        var waiting = pollfd(fd: client, events: Int16(events), revents: 0)
        let milliseconds = deadline.seconds(since: now) * 1_000
        return poll(&waiting, 1, CInt(min(milliseconds, 100)) + 1) >= 0
    }
}

/// The answer to one request: a pure function of its head.
struct MetricsAnswer {
    let text: String

    init(to head: String, _ families: @autoclosure () -> [MetricFamily]) {
        let lines = head.split(whereSeparator: \.isNewline)
        // One space between two words, and none elsewhere (RFC 9112, 3).
        let words = (lines.first ?? "").split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[2].hasPrefix("HTTP/1.") else {
            text = Self.answer("400 Bad Request", "text/plain", "not an HTTP/1.1 request\n")
            return
        }
        let path = words[1].prefix { $0 != "?" }
        guard path == "/metrics" else {
            text = Self.answer("404 Not Found", "text/plain", "the metrics are at /metrics\n")
            return
        }
        guard words[0] == "GET" || words[0] == "HEAD" else {
            text = Self.answer(
                "405 Method Not Allowed", "text/plain", "only GET\n", more: "Allow: GET, HEAD\r\n")
            return
        }
        let accept = lines.first { $0.lowercased().hasPrefix("accept:") }?.lowercased() ?? ""
        let wantsPlain =
            accept.contains("text/plain") && !accept.contains("application/openmetrics-text")
        let families = families()
        text = Self.answer(
            "200 OK", wantsPlain ? MetricsText.prometheusType : MetricsText.openMetricsType,
            wantsPlain ? MetricsText.prometheus(families) : MetricsText.openMetrics(families),
            hasBody: words[0] == "GET")
    }

    private static func answer(
        _ status: String, _ type: String, _ body: String, more: String = "", hasBody: Bool = true
    ) -> String {
        "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n"
            + "\(more)Connection: close\r\n\r\n" + (hasBody ? body : "")
    }
}
