// epoll of the simulated kernel: watches, and the list of those that are ready.

import CLinux
import Glibc

final class SimulatedWatch {
    unowned let epoll: SimulatedEpoll
    let file: SimulatedFile
    var mask: UInt32
    let data: UInt64
    var isListed = false
    var isRemoved = false

    init(_ epoll: SimulatedEpoll, _ file: SimulatedFile, mask: UInt32, data: UInt64) {
        self.epoll = epoll
        self.file = file
        self.mask = mask
        self.data = data
    }

    var interest: UInt32 { mask | PollMask.error | PollMask.hangUp }

    func happened(_ mask: UInt32, _ kernel: SimulatedKernel) {
        if mask & interest != 0 { epoll.list(self, kernel) }
    }
}

final class SimulatedEpoll: SimulatedFile {
    private var items: [SimulatedWatch] = []
    private var ready: [SimulatedWatch] = []

    func hasEvents(_ kernel: SimulatedKernel) -> Bool {
        ready.contains { !$0.isRemoved && SimulatedEpoll.mask($0, kernel) != 0 }
    }

    private static func mask(_ watch: SimulatedWatch, _ kernel: SimulatedKernel) -> UInt32 {
        var mask = watch.file.readiness & watch.interest
        if let socket = watch.file as? SimulatedSocket, kernel.clock < socket.stalledUntil {
            // Its bytes are not to be had yet; it is woken again when they are.
            mask &= ~PollMask.input
        }
        return mask
    }

    func list(_ watch: SimulatedWatch, _ kernel: SimulatedKernel) {
        if watch.isListed { return }
        watch.isListed = true
        if !ready.isEmpty, kernel.faults.fires(.reorder, &kernel.chance) {
            ready.insert(watch, at: kernel.chance.below(ready.count))
        } else {
            ready.append(watch)
        }
    }

    func control(
        _ operation: CInt, _ file: SimulatedFile, events: UInt32, data: UInt64,
        _ kernel: SimulatedKernel
    ) -> CInt {
        let old = items.first { $0.file === file && !$0.isRemoved }
        if operation == EPOLL_CTL_ADD {
            if old != nil {
                kernel.violation("a file is watched twice")
                return -EEXIST
            }
            let watch = SimulatedWatch(self, file, mask: events, data: data)
            items.append(watch)
            file.watches.append(watch)
            if file.readiness & watch.interest != 0 { list(watch, kernel) }
            return 0
        }
        guard let old else { return -ENOENT }
        old.mask = events
        if file.readiness & old.interest != 0 { list(old, kernel) }
        return 0
    }

    /// Fills `events`; a level-triggered watch stays listed.
    func take(
        _ events: UnsafeMutablePointer<epoll_event>, _ max: Int, _ kernel: SimulatedKernel
    ) -> Int {
        var count = 0
        var position = 0
        let listed = ready
        ready.removeAll(keepingCapacity: true)
        while position < listed.count {
            let watch = listed[position]
            if count == max { break }
            position += 1
            watch.isListed = false
            if watch.isRemoved { continue }
            var mask = SimulatedEpoll.mask(watch, kernel)
            if mask == 0 {
                guard kernel.faults.fires(.spuriousReadiness, &kernel.chance) else { continue }
                mask = PollMask.input
            }
            put(watch, mask, events + count)
            count += 1
            if watch.mask & PollMask.edge == 0 {
                list(watch, kernel)
            } else if kernel.faults.fires(.duplicatedReadiness, &kernel.chance) {
                list(watch, kernel)
            }
        }
        ready.insert(contentsOf: listed[position...], at: 0)
        items.removeAll { $0.isRemoved }
        return count
    }

    private func put(
        _ watch: SimulatedWatch, _ mask: UInt32, _ event: UnsafeMutablePointer<epoll_event>
    ) {
        event.pointee.events = mask
        event.pointee.data.u64 = watch.data
    }

    override func ended(_ kernel: SimulatedKernel) {
        for watch in items {
            watch.isRemoved = true
            watch.file.watches.removeAll { $0 === watch }
        }
        items = []
        ready = []
    }
}
