// The kernel's own log: whatever a drill does to it, the kernel must not complain.

import Glibc
import Testing

/// Reads the kernel's log from here on.
final class KernelLog {
    private let fd: CInt

    struct Unreadable: Error, CustomStringConvertible {
        let code: CInt
        var description: String {
            "/dev/kmsg: \(String(cString: strerror(code))); a drill without a look at the kernel's"
                + " log has shown nothing: run as root"
        }
    }

    init() throws(Unreadable) {
        fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        if fd < 0 { throw Unreadable(code: errno) }
        lseek(fd, 0, SEEK_END)
    }

    deinit {
        close(fd)
    }

    /// The messages since the start, or since the last call.
    func newMessages() throws(Unreadable) -> [String] {
        var messages: [String] = []
        // A record is at most 8 kB with its fields.
        var record = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = Glibc.read(fd, &record, record.count)
            if count < 0 {
                switch errno {
                case EAGAIN: return messages
                case EINTR: continue
                // Records were overwritten before they were read; nobody knows what they said.
                case EPIPE: messages.append("WARNING: messages were lost before they were read")
                default: throw Unreadable(code: errno)
                }
            } else {
                messages.append(Self.message(of: String(decoding: record[..<count], as: UTF8.self)))
            }
        }
    }

    /// Of a record such as `4,1234,5678,-;message`, with lines of further fields behind it.
    static func message(of record: String) -> String {
        guard let start = record.firstIndex(of: ";") else { return record }
        return String(record[record.index(after: start)...].prefix { $0 != "\n" })
    }

    /// Whether a message tells of a fault of the kernel, in liburing's words: BUG, WARNING, Oops, a
    /// stall of RCU, a general protection fault, a task that hangs.
    static func isComplaint(_ message: String) -> Bool {
        // A program that traps (so do our exit tests) is no fault of the kernel.
        if message.hasPrefix("traps: ") { return false }
        let signs = [
            "BUG:", "kernel BUG at", "WARNING:", "Oops", "general protection fault",
            "lockup", "blocked for more than", "refcount_t:", "use-after-free",
            "Unable to handle kernel", "unable to handle page fault",
        ]
        return signs.contains { message.contains($0) }
            || message.contains("rcu") && message.contains("stall")
    }

    /// It can be read here, or has to be.
    static let mustBeRead: Bool = geteuid() == 0 || (try? KernelLog()) != nil
}

/// Fails each test of a suite during which the kernel complained, or whose log could not be read.
struct KernelStaysQuiet: TestTrait, SuiteTrait, TestScoping {
    /// For each test below the suite, so that none can forget it.
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let log = try KernelLog()
        let result: Result<Void, any Error>
        do {
            try await function()
            result = .success(())
        } catch {
            result = .failure(error)
        }
        for message in try log.newMessages() where KernelLog.isComplaint(message) {
            Issue.record("the kernel says: \(message)")
        }
        try result.get()
    }
}

extension Trait where Self == KernelStaysQuiet {
    static var kernelStaysQuiet: Self { KernelStaysQuiet() }
}

extension Trait where Self == ConditionTrait {
    /// Skips, visibly, where an ordinary user may not read the kernel's log; root must.
    static var readsKernelLog: Self {
        .enabled(if: KernelLog.mustBeRead, "the kernel's log is for root alone here")
    }
}
