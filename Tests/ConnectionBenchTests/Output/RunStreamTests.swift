// The stream of a run: its writer waits for its reader, the run does not.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

@Suite struct RunStreamTests {
    /// A named pipe of the smallest size, with an end that reads when it is told to.
    private final class Pipe {
        let folder: FixtureDirectory
        let path: String
        let fd: CInt

        init() throws {
            folder = try FixtureDirectory()
            path = folder.path + "/pipe"
            try #require(mkfifo(path, 0o600) == 0)
            fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
            try #require(fd >= 0)
            // F_SETPIPE_SZ.
            try #require(fcntl(fd, 1_031, 4_096) > 0)
        }

        deinit {
            close(fd)
            unlink(path)
        }

        /// Reads what is there.
        func read() -> String {
            var buffer = [UInt8](repeating: 0, count: 65_536)
            let count = Glibc.read(fd, &buffer, buffer.count)
            return String(decoding: buffer[..<max(0, count)], as: UTF8.self)
        }
    }

    private static let phase = RunEvent.phase(RunPhaseStart(seconds: 1, phase: .ramp, target: 5))

    @Test("lines go out while the run goes on, each whole and at once")
    func flushed() throws {
        let pipe = try Pipe()
        let stream = try RunStream(path: pipe.path) { Issue.record("\($0)") }
        stream.observe(Self.phase)
        var text = ""
        let deadline = MonotonicTime.now.advanced(byNanoseconds: 20_000_000_000)
        while !text.hasSuffix("\n"), .now < deadline {
            text += pipe.read()
            usleep(1_000)
        }
        #expect(text == "{\"event\":\"phase\",\"phase\":\"ramp\",\"seconds\":1,\"target\":5}\n")
        stream.observe(.ended(MadeUpResult.complete))
        stream.finish()
        #expect(pipe.read().contains("\"event\":\"end\""))
    }

    @Test("a reader that takes nothing is given up at the end, and never waited for before it")
    func stuck() throws {
        let pipe = try Pipe()
        defer { withExtendedLifetime(pipe) {} }
        let complaints = Locked<[String]>([])
        let stream = try RunStream(path: pipe.path) { text in
            complaints.withLock { $0.append(text) }
        }
        // Far more than the pipe and the queue hold: a call that waited would never return.
        for _ in 0..<20_000 { stream.observe(Self.phase) }
        stream.observe(.ended(MadeUpResult.complete))
        stream.finish()
        #expect(
            complaints.withLock { $0 } == [
                "its reader takes nothing; the end of the stream is lost"
            ])
    }

    @Test("lines that a slow reader costs are counted in the last one")
    func dropped() throws {
        let pipe = try Pipe()
        defer { withExtendedLifetime(pipe) {} }
        let stream = try RunStream(path: pipe.path) { Issue.record("\($0)") }
        for _ in 0..<20_000 { stream.observe(Self.phase) }
        stream.observe(.ended(MadeUpResult.complete))
        let text = Locked("")
        let isDone = Locked(false)
        let reader = try BackgroundThread("slow-reader") { [fd = pipe.fd] in
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = Glibc.read(fd, &buffer, buffer.count)
                let piece = String(decoding: buffer[..<max(0, count)], as: UTF8.self)
                text.withLock { $0 += piece }
                if count <= 0, isDone.withLock({ $0 }) { return }
                if count <= 0 { usleep(100) }
            }
        }
        stream.finish()
        isDone.withLock { $0 = true }
        reader.join()
        let lines = text.withLock { $0 }.split(separator: "\n")
        let last = try #require(lines.last)
        #expect(last.contains("\"event\":\"end\""))
        let count = last.split(separator: "\"linesDropped\":").last?.prefix { $0.isNumber }
        let dropped = try #require(count.flatMap { Int($0) })
        #expect(dropped > 0 && lines.count == 20_001 - dropped)
    }

    @Test("a reader that has gone away is said once, and the run goes on")
    func gone() throws {
        let complaints = Locked<[String]>([])
        let stream: RunStream
        do {
            let pipe = try Pipe()
            stream = try RunStream(path: pipe.path) { text in
                complaints.withLock { $0.append(text) }
            }
        }
        for _ in 0..<100 { stream.observe(Self.phase) }
        stream.finish()
        #expect(complaints.withLock { $0 } == ["its reader has gone away; the run goes on"])
    }
}
