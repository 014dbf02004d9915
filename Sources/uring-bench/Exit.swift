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

    /// Ends the process as `error` wants it. Help is an answer and goes to standard output; wrong
    /// usage is said in one line, where the parser's own way out would print a usage text too.
    static func with(_ error: any Error) -> Never {
        let code = UringBench.exitCode(for: error)
        if code.isSuccess {
            print(UringBench.fullMessage(for: error))
        } else if !(error is ExitCode) {
            let words = UringBench.message(for: error).split(whereSeparator: \.isWhitespace)
            var line = words.joined(separator: " ")
            if line.hasSuffix(".") { line.removeLast() }
            complain("\(line) (see --help)")
        }
        exit(code.rawValue)
    }
}
