// Failures in words.

import Glibc
import Testing

@testable import ConnectionEngine

@Suite struct ErrnoTests {
    @Test("a known errno has its name and its text")
    func known() {
        #expect(Errno(ECONNREFUSED).name == "ECONNREFUSED")
        #expect("\(Errno(ECONNREFUSED))" == "ECONNREFUSED (Connection refused)")
        #expect("\(Errno(EADDRINUSE))".hasPrefix("EADDRINUSE ("))
    }

    @Test("an unknown errno has its number")
    func unknown() {
        #expect(Errno(4_000).name == "errno 4000")
        #expect("\(Errno(4_000))".hasPrefix("errno 4000 ("))
    }

    @Test("an error says the call, the errno and the remedy in one line")
    func systemError() {
        let bare = SystemError(Errno(EMFILE), call: "socket")
        #expect("\(bare)" == "socket: EMFILE (Too many open files)")
        let full = SystemError(Errno(EMFILE), call: "socket", remedy: "ulimit -n")
        #expect("\(full)" == "socket: EMFILE (Too many open files); ulimit -n")
        #expect(!"\(full)".contains("\n"))
    }

    @Test("a failed call throws its errno, and a success returns its result")
    func calls() throws {
        #expect(try systemCall("dup") { dup(0) } > 0)
        let error = #expect(throws: SystemError.self) {
            try systemCall("access", remedy: "look elsewhere") { access("/no/such/file", F_OK) }
        }
        #expect(error == SystemError(Errno(ENOENT), call: "access", remedy: "look elsewhere"))
        #expect(try kernelResult("read", 5) == 5)
        #expect(throws: SystemError(Errno(EPERM), call: "read")) {
            try kernelResult("read", -Int(EPERM))
        }
    }

    @Test("a call that was interrupted is repeated")
    func interrupted() throws {
        var calls = 0
        let result = try systemCall("read") {
            calls += 1
            if calls < 3 {
                errno = EINTR
                return -1
            }
            return 7
        }
        #expect(result == 7 && calls == 3)
    }

    @Test("a close code says why")
    func closeReasons() {
        #expect(CloseReason(code: 0) == .requested)
        #expect(CloseReason(code: -1) == .endOfStream)
        #expect(CloseReason(code: Int16(ECONNRESET)) == .failed(Errno(ECONNRESET)))
    }
}
