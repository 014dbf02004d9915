// The judges of our files: Python packages and promtool, as `make setup-tests` installs them.

import Glibc
import Testing

@testable import ConnectionBench

enum Python {
    static let missing: Comment = "make setup-tests installs what this test needs"

    /// The checkout that the tests were built in.
    static let checkout = #filePath.split(separator: "/").dropLast(4)
        .reduce("") { $0 + "/" + $1 }

    private static let packages = checkout + "/.build/test-python"

    static let isReady: Bool = {
        let code =
            "import hdrh.histogram, jsonschema, referencing, prometheus_client.openmetrics.parser"
        return (try? run(code).code) == 0
    }()

    static let hasPromtool: Bool = {
        (try? Subprocess.run(["sh", "-c", "command -v promtool"])) == 0
    }()

    /// Runs a program text with arguments, `sys.argv[1:]`.
    static func run(
        _ program: String, _ arguments: [String] = []
    ) throws -> (code: Int32, output: String, errors: String) {
        let folder = try FixtureDirectory(["/out": "", "/err": ""])
        let pid = try Subprocess.spawn(
            ["python3", "-c", program] + arguments, output: folder.path + "/out",
            errors: folder.path + "/err", adding: "PYTHONPATH=\(packages)")
        var status: CInt = 0
        try #require(waitpid(pid, &status, 0) == pid)
        return (
            (status >> 8) & 0xff, try TextFile.read(folder.path + "/out"),
            try TextFile.read(folder.path + "/err")
        )
    }

    /// What the program prints; a failure of it is one of the test.
    static func output(_ program: String, _ arguments: [String] = []) throws -> String {
        let (code, output, errors) = try run(program, arguments)
        try #require(code == 0, "\(errors)")
        return output
    }
}
