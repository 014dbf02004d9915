// Live figures of workers in shared memory: written by a worker once per turn, read by anyone.

import CLinux
import ConnectionEngine
import Glibc
import Synchronization

/// The rows of all workers of one run, in memory that parent and children share.
///
/// Each figure has one writer. A reader sees each figure whole, but not several at one instant.
final class Scoreboard: @unchecked Sendable {
    enum Figure: Int, CaseIterable {
        /// Connections that exist now.
        case open
        /// Connections that came to exist.
        case opened
        /// Connections that ended, by whatever cause.
        case closed
        /// Connects that failed.
        case failed
        /// Connections that ended though nobody asked.
        case lost
        /// errno of the newest failure; 0: none.
        case lastError
        /// Answers received in full (client), or pieces echoed (server).
        case echoes
        /// Answers with a wrong byte.
        case wrong
        /// When the newest connection came to exist, in nanoseconds of the monotonic clock.
        case lastOpenAt
        /// The number of the newest command that is done.
        case commandDone
        /// Connects on their way.
        case opening
        /// Connections that the server has reset: they held others up, or were quiet for too long.
        case evicted
        /// Connections that the engine has a slot for, and buffers that somebody owes back.
        case slotsInUse, buffersInUse
    }

    /// What the parent lets the clients do, in a row of its own that only the parent writes.
    enum Control: Int {
        /// Connects per second, over all clients together; 0: as fast as they go, -1: none.
        case connectsPerSecond
    }

    /// 32 figures of 8 bytes, and the buckets of latencies: rows of different writers share no cache
    /// line.
    private static let figuresByteCount = 256
    private static let rowByteCount = figuresByteCount + LiveLatency.byteCount
    private let base: UnsafeMutableRawPointer
    let rowCount: Int
    let fd: CInt

    /// Makes the memory; `fd` can be handed to a child.
    convenience init(rowCount: Int) throws(SystemError) {
        let fd = CLinux_memfd("scoreboard")
        guard fd >= 0, ftruncate(fd, Scoreboard.byteCount(rowCount: rowCount)) == 0 else {
            throw SystemError(Errno(errno), call: "memfd_create")
        }
        try self.init(fd: fd, rowCount: rowCount)
    }

    /// Maps memory that another process made.
    init(fd: CInt, rowCount: Int) throws(SystemError) {
        let byteCount = Scoreboard.byteCount(rowCount: rowCount)
        guard let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
            memory != MAP_FAILED
        else { throw SystemError(Errno(errno), call: "mmap") }
        base = memory
        self.rowCount = rowCount
        self.fd = fd
    }

    deinit {
        munmap(base, Scoreboard.byteCount(rowCount: rowCount))
        close(fd)
    }

    /// One row more than workers: the parent's.
    private static func byteCount(rowCount: Int) -> Int { (rowCount + 1) * rowByteCount }

    subscript(control: Control) -> Int {
        get { controlWord(control).pointee.load(ordering: .relaxed) }
        set { controlWord(control).pointee.store(newValue, ordering: .relaxed) }
    }

    private func controlWord(_ control: Control) -> UnsafeMutablePointer<Atomic<Int>> {
        (base + rowCount * Scoreboard.rowByteCount + control.rawValue * 8)
            .assumingMemoryBound(to: Atomic<Int>.self)
    }

    func row(_ index: Int) -> Row {
        precondition(index >= 0 && index < rowCount, "row \(index) of \(rowCount)")
        return Row(base: base + index * Scoreboard.rowByteCount, board: self)
    }

    /// The sum of a figure over some rows.
    func sum(_ figure: Figure, rows: Range<Int>) -> Int {
        rows.reduce(0) { $0 + row($1)[figure] }
    }

    func max(_ figure: Figure, rows: Range<Int>) -> Int {
        rows.reduce(0) { Swift.max($0, row($1)[figure]) }
    }

    /// The latencies that some rows have recorded, together.
    func latency(rows: Range<Int>) -> LiveLatency.Counts {
        var counts = LiveLatency.Counts()
        for index in rows { counts.add(row(index).latency) }
        return counts
    }

    /// One worker's figures.
    struct Row: @unchecked Sendable {
        fileprivate let base: UnsafeMutableRawPointer
        /// Keeps the memory mapped.
        private let board: Scoreboard

        fileprivate init(base: UnsafeMutableRawPointer, board: Scoreboard) {
            self.base = base
            self.board = board
        }

        subscript(figure: Figure) -> Int {
            get { pointer(figure).pointee.load(ordering: .relaxed) }
            nonmutating set { pointer(figure).pointee.store(newValue, ordering: .relaxed) }
        }

        /// Of answers, from their due time (client), or of a measured loop's lag (server).
        var latency: LiveLatency { LiveLatency(base: base + Scoreboard.figuresByteCount) }

        private func pointer(_ figure: Figure) -> UnsafeMutablePointer<Atomic<Int>> {
            (base + figure.rawValue * 8).assumingMemoryBound(to: Atomic<Int>.self)
        }
    }
}
