// The end of a run: what is left of it is closed, measured, and never in the way of the result.

import ConnectionEngine
import Glibc

extension Run {
    /// Ends connections and processes; never fails, and bounds its own time.
    func tearDown() {
        guard let group else { return }
        watch.isEnding = true
        // Someone waits: for the prompt, or for the news that a process has died.
        let mustHurry =
            [.interrupted, .childDied].contains(result.stopped?.kind)
            // It closes nothing, and answers nothing.
            || group.children.contains(where: \.isStopped)
        readCounters(group)
        var record = TeardownResult()
        record.connections = group.board.sum(.open, rows: group.clientRows)
        let held = kernelGrowth
        begin(.close, target: 0)
        record.startSeconds = events.currentPhase.seconds
        let meter = PhaseMeter(group)
        let startedAt = MonotonicTime.now
        closeAll(&record, group, seconds: mustHurry ? 8 : 120)
        record.seconds = MonotonicTime.now.seconds(since: startedAt)
        let left = group.board.sum(.open, rows: group.clientRows)
        record.closesPerSecond =
            Double(max(0, record.connections - left)) / max(record.seconds, 1e-9)
        record.processor = meter.read(group)
        lookAfterClose(group)
        record.timeWait = network.asClient { try? SocketStatistics.read().timeWait }
        record.childrenKilled = group.end(seconds: mustHurry ? 4 : 20)
        lookAfterEnd(group)
        awaitMemory(&record, held: held, seconds: mustHurry ? 10 : 60)
        result.teardown = record
    }

    private func readCounters(_ group: ProcessGroup) {
        do {
            let sums = try group.counters()
            result.serverCounters = sums.server
            result.clientCounters = sums.client
            if !sums.missing.isEmpty {
                let names = sums.missing.joined(separator: ", ")
                warn("counters-incomplete", "the engine counters lack those of \(names)")
            }
        } catch {
            warn("counters-incomplete", "the engine counters could not be read: \(error)")
        }
        let lost = group.board.sum(.lost, rows: group.clientRows)
        if lost > 0 {
            warn(
                "connections-lost",
                "\(Count.format(lost)) connections ended although nobody asked for it")
        }
    }

    private func closeAll(_ record: inout TeardownResult, _ group: ProcessGroup, seconds: Double) {
        var closed = 0
        var changedAt = MonotonicTime.now
        let deadline = changedAt.advanced(byNanoseconds: UInt64(seconds * 1e9))
        let rows = group.serverRows.lowerBound..<group.clientRows.upperBound
        var longest = 0.0
        func look() throws {
            let now = MonotonicTime.now
            let count = group.board.sum(.closed, rows: rows)
            if count != closed {
                longest = max(longest, now.seconds(since: changedAt))
                closed = count
                changedAt = now
            }
            if now > deadline {
                throw RunStop(.stalled, "not done in \(Int(seconds)) s", exitCode: 1)
            }
            if watch.wasInterruptedTwice {
                throw RunStop(.interrupted, "interrupted twice", exitCode: 130)
            }
            show("close, \(Count.format(group.serverConnections)) left")
        }
        do {
            _ = try group.load({ _ in .close(reset: plan.teardown == .reset) }, tick: look)
            while group.serverConnections > 0 {
                watch.sleep(milliseconds: 2)
                try watch.check(group.children)
                try look()
            }
        } catch {
            // It takes too long, or is to be cut short: the end of the processes closes the rest.
            longest = max(longest, MonotonicTime.now.seconds(since: changedAt))
            let reason = (error as? RunStop)?.reason.message ?? "\(error)"
            warn("teardown", "connections were left to the end of their processes: \(reason)")
        }
        record.longestStallSeconds = longest
    }

    /// Kernel memory since the start of the run in bytes; `nil` when it cannot be read.
    private var kernelGrowth: Int? {
        guard let baseline, let now = try? KernelMemory.read() else { return nil }
        return now.growth(since: baseline.kernel).totalBytes
    }

    /// Waits until the kernel memory of the connections is back, all but 5 % of it.
    private func awaitMemory(_ record: inout TeardownResult, held: Int?, seconds: Double) {
        // The memory of a small run is lost in that of the rest of the machine.
        guard let held, held > 64 << 20 else { return }
        let startedAt = MonotonicTime.now
        repeat {
            guard let left = kernelGrowth else { return }
            record.kernelBytesLeft = left
            if left < held / 20 {
                record.memoryBackSeconds = MonotonicTime.now.seconds(since: startedAt)
                return
            }
            show("waiting for \(Count.format(bytes: left)) of kernel memory")
            watch.sleep(milliseconds: 50)
        } while MonotonicTime.now.seconds(since: startedAt) < seconds && !watch.wasInterruptedTwice
    }
}
