// What one process of a soak holds at a pause: descriptors, threads, memory.

import Glibc

/// Cheap enough for thousands of looks: no file per thread is read.
struct ProcessReading: Sendable {
    var descriptors: Int?
    var threads: Int?
    /// `nil`: it has ended, or the kernel does not tell.
    var residentBytes: Int?
    var proportionalBytes: Int?

    /// Descriptors and threads.
    init(countsOf pid: pid_t) {
        var status = stat()
        // The size of the directory, see `ChildProcess.descriptorCount`.
        if stat("/proc/\(pid)/fd", &status) == 0, status.st_size > 0 {
            descriptors = Int(status.st_size)
        }
        var usage = ProcessUsage()
        let path = "/proc/\(pid)/stat"
        if let text = try? TextFile.read(path), (try? usage.apply(stat: text, path: path)) != nil {
            threads = usage.threadCount
        }
    }

    /// And memory, for which the kernel walks the process's page tables.
    init(of pid: pid_t) {
        self.init(countsOf: pid)
        var usage = ProcessUsage()
        let path = "/proc/\(pid)/smaps_rollup"
        if let text = try? TextFile.read(path),
            (try? usage.apply(smapsRollup: text, path: path)) != nil
        {
            residentBytes = usage.residentBytes
            proportionalBytes = usage.proportionalBytes
        }
    }

    /// A sum is unknown when a part of it is.
    static func sum(_ values: [Int?]) -> Int? {
        values.reduce(0) { sum, value in sum.flatMap { sum in value.map { sum + $0 } } }
    }
}
