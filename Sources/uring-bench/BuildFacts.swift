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

    /// The commit of the checkout that this executable lies in.
    private static var commit: String? {
        var buffer = [CChar](repeating: 0, count: 4_096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard count > 0 else { return nil }
        var folder = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        while let slash = folder.lastIndex(of: "/"), slash > folder.startIndex {
            folder = String(folder[..<slash])
            if let head = line("\(folder)/.git/HEAD") { return resolve(head, "\(folder)/.git") }
        }
        return nil
    }

    private static func resolve(_ head: String, _ git: String) -> String? {
        guard head.hasPrefix("ref: ") else { return head }
        let name = String(head.dropFirst(5))
        if let commit = line("\(git)/\(name)") { return commit }
        guard let packed = try? String(contentsOfFile: "\(git)/packed-refs", encoding: .utf8)
        else { return nil }
        return packed.split(separator: "\n").first { $0.hasSuffix(" \(name)") }
            .map { String($0.prefix(40)) }
    }

    private static func line(_ path: String) -> String? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        return text.split(separator: "\n").first.map(String.init)
    }
}
