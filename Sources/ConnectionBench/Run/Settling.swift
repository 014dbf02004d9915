// Before a run of several: waits until the one before has left no trace, and others are quiet.

import ConnectionEngine
import Glibc

/// Looks at the machine until it is calm, for a bounded time.
struct Settling {
    /// What a look of 200 ms saw.
    struct Reading: Equatable {
        /// Part of all processors that worked although this program slept, or was stolen.
        var busyShare: Double
        var sockets: Int
        var kernelBytes: Int
    }

    static let lookMilliseconds: CInt = 200
    static let secondsMax = 10.0
    /// Part of all processors that other programs may use: a tenth of a second in each second of
    /// one processor disturbs a run less than the runs differ among themselves.
    static let busyMax = 0.1
    /// Sockets that other programs may have opened since the start.
    static let socketsMax = 64
    /// Kernel memory that shrinks by more between two looks is still being given back.
    static let shrinkingBytes = 4 << 20

    /// Before the first run.
    let socketsBefore: Int?
    private let signals: SignalWatch

    init(_ signals: SignalWatch) {
        self.signals = signals
        socketsBefore = try? SocketStatistics.read().allocated
    }

    /// What is not calm yet, in words; `nil`: all is.
    ///
    /// Sockets and memory are settled when they are back where they were, or no longer fall: then
    /// what is left is not this run's.
    static func complaint(_ now: Reading, before: Reading?, socketsBefore: Int?) -> String? {
        if now.busyShare > busyMax {
            return "other programs use \(Int((100 * now.busyShare).rounded())) % of the processors"
        }
        guard let before else { return "the first look" }
        if let base = socketsBefore, now.sockets > base + socketsMax,
            now.sockets < before.sockets
        {
            return "\(Count.format(now.sockets - base)) TCP sockets are not yet freed"
        }
        if before.kernelBytes - now.kernelBytes > shrinkingBytes {
            return "kernel memory is still being given back"
        }
        return nil
    }

    /// Returns early on a signal.
    ///
    /// - Returns: what was still not calm at the end; `nil`: all was.
    func wait(_ progress: RunProgress) -> String? {
        let startedAt = MonotonicTime.now
        var before: Reading?
        var hasSaid = false
        var complaint: String?
        repeat {
            guard let now = look() else { return "what other programs do could not be read" }
            complaint = Self.complaint(now, before: before, socketsBefore: socketsBefore)
            before = now
            guard let complaint else { break }
            // The second look is part of the plan, and not worth a line.
            if MonotonicTime.now.seconds(since: startedAt) > 1, !hasSaid {
                progress.say("waiting up to \(Int(Self.secondsMax)) s: \(complaint)")
                hasSaid = true
            }
            if isInterrupted { return nil }
        } while MonotonicTime.now.seconds(since: startedAt) < Self.secondsMax
        return complaint
    }

    private var isInterrupted: Bool {
        signals.take()
        return !signals.received.isEmpty
    }

    private func look() -> Reading? {
        guard let first = try? MachineUsage.read() else { return nil }
        var waiting = pollfd(fd: signals.fd, events: Int16(POLLIN), revents: 0)
        poll(&waiting, 1, Self.lookMilliseconds)
        guard let usage = try? MachineUsage.read().since(first),
            let sockets = try? SocketStatistics.read().allocated,
            let memory = try? KernelMemory.read()
        else { return nil }
        return Reading(
            busyShare: (usage.busySeconds + usage.stealSeconds) / max(usage.totalSeconds, 1e-9),
            sockets: sockets, kernelBytes: memory.slabBytes)
    }
}
