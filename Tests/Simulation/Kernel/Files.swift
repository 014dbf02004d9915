// Descriptors of the simulated processes, and what they name.

import Glibc

/// Something that a descriptor or a direct slot names.
class SimulatedFile {
    /// Requests of rings that wait for it or work on it.
    var waiters: [SimulatedRequest] = []
    /// Where it is watched by epoll.
    var watches: [SimulatedWatch] = []
    /// Descriptors and direct slots that name it.
    var names = 0

    /// What poll(2) would say now.
    var readiness: UInt32 { 0 }

    /// The last name has gone.
    func ended(_ kernel: SimulatedKernel) {}
}

final class SimulatedEventFD: SimulatedFile {
    var count: UInt64 = 0
    override var readiness: UInt32 { count > 0 ? PollMask.input : 0 }
}

/// The bits of poll(2) and epoll(7), which are the same.
enum PollMask {
    static let input: UInt32 = 0x001
    static let output: UInt32 = 0x004
    static let error: UInt32 = 0x008
    static let hangUp: UInt32 = 0x010
    static let peerEnded: UInt32 = 0x2000
    static let edge: UInt32 = 1 << 31
}

/// The descriptor table of one process: the lowest free number is given out next, as Linux does.
struct SimulatedProcess {
    var files: [SimulatedFile?] = []
    var limit = 1_024
    private(set) var openCount = 0

    mutating func open(_ file: SimulatedFile) -> CInt {
        if openCount >= limit { return -EMFILE }
        openCount += 1
        file.names += 1
        if let free = files.firstIndex(where: { $0 == nil }) {
            files[free] = file
            return CInt(free)
        }
        files.append(file)
        return CInt(files.count - 1)
    }

    func file(_ fd: CInt) -> SimulatedFile? {
        fd >= 0 && Int(fd) < files.count ? files[Int(fd)] : nil
    }

    mutating func close(_ fd: CInt) -> SimulatedFile? {
        guard let file = file(fd) else { return nil }
        files[Int(fd)] = nil
        openCount -= 1
        return file
    }
}
