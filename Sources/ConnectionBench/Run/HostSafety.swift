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
        let share = min(keptMax(wall.resource), wall.connectionsMax / 16)
        // The group's other programs must still be able to start one.
        return wall.resource == .controlGroupThreads ? max(2, share) : share
    }

    private static func keptMax(_ resource: Wall.Resource) -> Int {
        switch resource {
        case .processIDs, .systemThreads, .controlGroupThreads: 1_024
        case .systemFiles, .epollWatches: 2_048
        // Memory has a floor; the rest is this run's own.
        default: 0
        }
    }

    /// Where a wall must be so that `connections` of it are safe; the inverse of the above, for
    /// walls of the whole system.
    static func wallNeeded(for connections: Int, of resource: Wall.Resource) -> Int {
        connections + min(keptMax(resource), (connections + 14) / 15)
    }

    /// The most connections that a wall at `connectionsMax` is far enough for.
    static func connections(before connectionsMax: Int, of resource: Wall.Resource) -> Int {
        let safe = connectionsMax - min(keptMax(resource), connectionsMax / 16)
        // The sixteenth of the one and the fifteenth of the other are both rounded.
        return wallNeeded(for: safe, of: resource) <= connectionsMax ? safe : safe - 1
    }
}
