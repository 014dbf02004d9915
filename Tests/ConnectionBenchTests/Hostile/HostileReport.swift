// The verdict on an attack, and the file with all of them.

import ConnectionEngine
import FoundationEssentials
import Glibc

@testable import ConnectionBench

/// One attack on one backend: what was done, what it did to the server and to honest clients.
struct AttackVerdict: Codable, Sendable {
    struct Honest: Codable, Sendable {
        var answered: Int
        var wrong: Int
        var unexpectedCloses: Int
        var calmP99Nanoseconds: UInt64
        var attackP99Nanoseconds: UInt64
        var calmCount: UInt64
        var attackCount: UInt64
        /// 0 where one of the two has no answers.
        var p99Ratio: Double
    }

    var attack: String
    var backend: BackendKind
    /// What was asked for, and what was done of it.
    var wanted: Int
    var done: Int
    /// The bound on the rate that the attackers keep, and what they reached.
    var perSecondMax: Double
    var perSecond: Double
    var seconds: Double
    var bytesSent: Int
    /// Echoes to the attackers that were not what they had sent.
    var wrongEchoes: Int
    /// A client that came in the midst of it was served.
    var newcomerServed: Bool
    var serverAlive: Bool
    var before: HostileServer.Reading
    var peak: HostileServer.Reading
    var after: HostileServer.Reading
    /// The server's, as the kernel counts them in the end; and how many there should be.
    var kernelSockets: Int
    var honestClients: Int
    /// Bounds of the server's memory, afterwards and in the midst of it.
    var residentBytesMax: Int
    var residentBytesPeakMax: Int
    /// Of the kernel's objects in use, on the whole machine.
    var slabGrowthBytes: Int
    var slabGrowthBytesMax: Int
    /// Until connections and descriptors were as before.
    var recoverySeconds: Double
    var recovered: Bool
    var honest: Honest
    /// How far the server's own counters went; those that did not are left out.
    var counters: [String: UInt64]
    /// What is wrong, in words; empty: passed.
    var failures: [String] = []

    var line: String {
        func milliseconds(_ nanoseconds: UInt64) -> String {
            "\(Decimal1.text(Double(nanoseconds) / 1e6)) ms"
        }
        func mebibytes(_ bytes: Int) -> String { Decimal1.text(Double(bytes) / 1_048_576) }
        return "| \(attack) | \(backend.rawValue) | \(Count.format(done))"
            + " | \(Count.format(Int(perSecond)))/s of \(Count.format(Int(perSecondMax)))"
            + " | \(Count.format(peak.openConnections))"
            + " | \(Count.format(after.evicted - before.evicted))"
            + " | \(mebibytes(before.residentBytes)) → \(mebibytes(peak.residentBytes))"
            + " → \(mebibytes(after.residentBytes))"
            + " | \(mebibytes(slabGrowthBytes)) | \(Decimal1.text(recoverySeconds)) s"
            + " | \(milliseconds(honest.calmP99Nanoseconds))"
            + " | \(milliseconds(honest.attackP99Nanoseconds))"
            + " | \(Decimal1.text(honest.p99Ratio)) | \(failures.isEmpty ? "passed" : "FAILED") |"
    }

    static let head = """
        | attack | backend | done | rate, and its bound | peak open | evicted | server MiB: before \
        → peak → after | slab MiB | recovery | calm p99 | attack p99 | ratio | |
        | --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --- |
        """
}

/// What `make hostile` writes: the attacks so far, with what they ran on.
struct HostileReport: Codable {
    var kernel: String
    var processors: Int
    var isDebugBuild: Bool
    var attackersPolicy: String
    var p99RatioMax: Double
    var passed: Bool
    var attacks: [AttackVerdict]

    /// Writes all verdicts so far to the file that HOSTILE_REPORT names, and a table beside it.
    static func write(_ attacks: [AttackVerdict], to path: String) throws {
        let kernel = (try? TextFile.readValue("/proc/sys/kernel/osrelease")) ?? "unknown"
        #if DEBUG
            let isDebugBuild = true
        #else
            let isDebugBuild = false
        #endif
        let report = HostileReport(
            kernel: kernel, processors: sysconf(CInt(_SC_NPROCESSORS_ONLN)),
            isDebugBuild: isDebugBuild, attackersPolicy: "SCHED_IDLE",
            p99RatioMax: HostileRun.p99RatioMax, passed: attacks.allSatisfy(\.failures.isEmpty),
            attacks: attacks)
        try Data(JSONText.pretty(report).utf8).write(to: path)
        var table = AttackVerdict.head + "\n"
        for attack in attacks {
            table += attack.line + "\n"
        }
        for attack in attacks {
            for failure in attack.failures {
                table += "\n\(attack.attack) on \(attack.backend.rawValue): \(failure)\n"
            }
        }
        let stem = path.hasSuffix(".json") ? String(path.dropLast(5)) : path
        try Data(table.utf8).write(to: stem + ".md")
    }
}

extension Data {
    fileprivate func write(to path: String) throws {
        guard let file = fopen(path, "w") else {
            throw FileError(
                path: path, expected: "a writable file: \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        let written = withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, file) }
        guard written == count else {
            throw FileError(path: path, expected: "room for \(count) bytes")
        }
    }
}
