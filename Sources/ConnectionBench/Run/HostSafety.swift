// What a run does so that the host survives it.

import Glibc

enum HostSafety {
    /// Socket memory belongs to no process, so the kernel would take a run for small and end an
    /// innocent process instead. It is told to begin here; children inherit it.
    static func volunteerForOutOfMemory() {
        let fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)
        guard fd >= 0 else { return }
        // Raising one's own score needs no privilege; where /proc is not there, nothing helps.
        _ = write(fd, "1000", 4)
        close(fd)
    }

    /// Connections by which a climb ends before a wall that the host's other programs share.
    static func connectionsKept(before wall: Wall) -> Int {
        switch wall.resource {
        case .processIDs, .systemThreads: min(1_024, wall.connectionsMax / 16)
        // The group's other programs must still be able to start one.
        case .controlGroupThreads: min(1_024, max(2, wall.connectionsMax / 16))
        case .systemFiles: min(2_048, wall.connectionsMax / 16)
        // Memory has a floor; the rest is this run's own.
        default: 0
        }
    }
}
