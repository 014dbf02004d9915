// How the tool ends: one line on standard error and the code of the contract.

import ArgumentParser
import Glibc

enum Exit {
    /// Says what was wrong; the returned error carries only the code.
    static func withMessage(_ message: String, code: Int32) -> ExitCode {
        complain(message)
        return ExitCode(code)
    }

    static func complain(_ message: String) {
        let line = "uring-bench: \(message)\n"
        _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    }
}
