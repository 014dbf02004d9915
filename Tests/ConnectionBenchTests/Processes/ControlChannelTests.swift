// One JSON object per line, however the bytes arrive.

import Glibc
import Testing

@testable import ConnectionBench

@Suite struct ControlChannelTests {
    /// Two ends that a test needs no further checks for.
    private func pair() throws -> (ControlChannel, ControlChannel) {
        try #require(ControlChannel.pair())
    }

    private func put(_ text: String, _ fd: CInt) {
        _ = text.withCString { send(fd, $0, strlen($0), CInt(MSG_NOSIGNAL)) }
    }

    @Test("a message arrives as it was sent")
    func message() throws {
        let (one, other) = try pair()
        try one.send(ChildMessage.ready(listening: ["127.0.0.1:7000"], backlog: 4_096))
        guard
            case .ready(let listening, let backlog)? = try other.receive(
                ChildMessage.self, milliseconds: 0)
        else { Issue.record("no message"); return }
        #expect(listening == ["127.0.0.1:7000"] && backlog == 4_096)
    }

    @Test("half a line is no message yet")
    func partial() throws {
        let (one, other) = try pair()
        put("[1,", one.fd)
        #expect(try other.receive([Int].self, milliseconds: 0) == nil)
        put("2]", one.fd)
        #expect(try other.receive([Int].self, milliseconds: 0) == nil)
        put("\n[3]\n[4", one.fd)
        #expect(try other.receive([Int].self, milliseconds: 0) == [1, 2])
        #expect(try other.receive([Int].self, milliseconds: 0) == [3])
        #expect(try other.receive([Int].self, milliseconds: 0) == nil)
        put("]\n", one.fd)
        #expect(try other.receive([Int].self, milliseconds: 0) == [4])
    }

    @Test("messages that came before the end are heard, then the end")
    func closed() throws {
        var (one, other): (ControlChannel?, ControlChannel) = try pair()
        try one?.send([7])
        one = nil
        #expect(try other.receive([Int].self, milliseconds: 1_000) == [7])
        #expect(throws: ControlError.closed) {
            try other.receive([Int].self, milliseconds: 1_000)
        }
        #expect(throws: ControlError.closed) { try other.send([8]) }
    }

    @Test("a line that is no message is named")
    func malformed() throws {
        let (one, other) = try pair()
        put("nonsense\n[5]\n", one.fd)
        #expect(throws: ControlError.malformed("nonsense")) {
            try other.receive([Int].self, milliseconds: 0)
        }
        #expect(try other.receive([Int].self, milliseconds: 0) == [5])
    }

    @Test("a message larger than any buffer between the two arrives whole")
    func large() async throws {
        let (one, other) = try pair()
        var report = LoadReport()
        report.rampMarksNanoseconds = (0..<200_000).map { 1_000_000_000_000 + $0 }
        report.failures = [98: 3]
        let sent = report
        // The sender blocks until the other end has read most of it.
        async let sending: Void = one.send(ChildMessage.loaded(number: 4, [sent]))
        var received: ChildMessage?
        while received == nil {
            received = try other.receive(ChildMessage.self, milliseconds: 1_000)
        }
        try await sending
        guard case .loaded(4, let reports)? = received else { Issue.record("no report"); return }
        #expect(reports.first?.rampMarksNanoseconds == sent.rampMarksNanoseconds)
        #expect(reports.first?.failures == [98: 3])
    }

    @Test("nothing comes within the time allowed")
    func timeout() throws {
        let (_, other) = try pair()
        let (open, waiting) = try pair()
        #expect(try waiting.receive([Int].self, milliseconds: 10) == nil)
        withExtendedLifetime(open) {}
        #expect(throws: ControlError.closed) { try other.receive([Int].self, milliseconds: 0) }
    }
}
