// What was built, and from which commit.

import ConnectionBench
import FoundationEssentials
import Glibc

enum BuildFacts {
    static var tool: ToolFacts {
        ToolFacts(
            version: toolVersion, commit: commit, buildMode: buildMode, compiler: compiler,
            executable: .ofThisProcess())
    }

    /// What `--version` prints.
    static var versionLine: String {
        let commit = commit.map { "checkout at \($0.prefix(10))" } ?? "commit unknown"
        return "uring-bench \(toolVersion) (\(buildMode), \(commit), \(compiler))"
    }

    private static var buildMode: String {
        var isDebug = false
        // The argument of `assert` is evaluated in debug builds only.
        assert(
            {
                isDebug = true; return true
            }())
        return isDebug ? "debug" : "release"
    }

    private static var compiler: String {
        #if compiler(>=6.4)
            "Swift 6.4 or newer"
        #elseif compiler(>=6.3)
            "Swift 6.3"
        #else
            "Swift 6.2"
        #endif
    }

    /// The commit that the checkout was at when this executable was built in it.
    ///
    /// SwiftPM hands a build no such fact. The checkout is believed only by an executable in its own
    /// build folder: elsewhere it may be any checkout. What was not committed then is not known.
    private static var commit: String? {
        guard let executable = ExecutableIdentity.ofThisProcess() else { return nil }
        let folders = executable.path.split(separator: "/")
        guard let build = folders.firstIndex(where: { $0.hasPrefix(".build") }) else { return nil }
        return Checkout(folder: "/" + folders[..<build].joined(separator: "/"))?
            .commit(at: executable.modifiedNanoseconds / 1_000_000_000)
    }
}
