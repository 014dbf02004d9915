// How many connections an engine can hold before it runs out of descriptors, known beforehand.

/// Connections that an engine can hold at once, all of one kind.
public struct ConnectionCapacity: Hashable, Sendable {
    /// When all of them are accepted; 0 without ``Configuration/listen``.
    public let accepting: Int
    /// When all of them are made by ``OperationQueue/connect(from:to:)``.
    public let connecting: Int
}

extension Configuration {
    /// Exactly how many connections an engine of this configuration can hold, as far as descriptors
    /// and ``Limits/connections`` bound it (threads, ports and memory are other walls).
    ///
    /// The connections are dealt evenly: no worker (of those that listen, when accepting) has two
    /// more than another. An engine whose workers are used unevenly may hold fewer, and where rings
    /// are the bound, one worker may hold more than its share.
    ///
    /// What an engine takes: each worker an eventfd, each listening socket one descriptor, and
    /// - epoll: an epoll descriptor per worker, and one per connection;
    /// - threads: one per connection;
    /// - io_uring with plain descriptors: a ring per worker, and one per connection;
    /// - io_uring with direct descriptors: one per ring. A ring has as many slots as the smallest of
    ///   ``Limits/ringSlots``, `descriptorLimit`, and ``Limits/connections`` with room for its
    ///   listeners' queues; all of them can be used. The first connecting ring of a worker with listeners
    ///   comes after all the rings that it might accept into. With ``URingFeatures/bind`` masked a
    ///   connect is taken to have a source, and needs a descriptor for a moment.
    ///
    /// Three things blur the figure for accepting, never the one for connecting. Several listeners
    /// of one worker: on io_uring each of them but one may keep a place for its own next client, or
    /// bring one client more than ``Limits/connections``; with threads each may hold one client
    /// that waits for the limit. Rings that cannot be shared out evenly: the odd ones go to the
    /// workers that need them first, and are not counted here. And rings are made ahead of need,
    /// when the last one has no room for a listener's whole queue: so workers that run far apart may
    /// take each other's.
    ///
    /// - Parameters:
    ///   - descriptorLimit: RLIMIT_NOFILE in force, which is the hard limit: `Engine.init` raises
    ///     the soft one to it.
    ///   - descriptorsInUse: descriptors below that limit, open before `Engine.init`, whose number
    ///     then stays as it is.
    /// - Returns: 0 and 0 when the engine could not even start.
    public func connectionCapacity(
        descriptorLimit: Int, descriptorsInUse: Int
    ) -> ConnectionCapacity {
        let listeners = (0..<workers).map(listenerCount)
        let perWorker = backend == .threads ? 1 : 2
        let left =
            descriptorLimit - descriptorsInUse - workers * perWorker - listeners.reduce(0, +)
        guard left >= 0 else { return ConnectionCapacity(accepting: 0, connecting: 0) }
        let accepting = listeners.count { $0 > 0 }
        guard usesDirectDescriptors else {
            let most = Int(limits.connections)
            return ConnectionCapacity(
                accepting: min(left, accepting * most), connecting: min(left, workers * most))
        }
        let layouts = listeners.map {
            layout(listeners: $0, descriptorLimit: UInt64(descriptorLimit))
        }
        let needsSocket = maskedFeatures.contains(.bind)
        return ConnectionCapacity(
            accepting: accepting == 0 ? 0 : acceptingDirect(layouts, furtherRings: left),
            connecting: connectingDirect(layouts, furtherRings: needsSocket ? left - 1 : left))
    }

    /// Each accepting worker gets the same number of rings, and fills them to the last slot.
    private func acceptingDirect(_ layouts: [URingLayout], furtherRings: Int) -> Int {
        let layouts = layouts.filter { $0.acceptRings > 0 }
        let rings = 1 + furtherRings / layouts.count
        let least = layouts.map { layout in
            min(Int(limits.connections), min(rings, layout.acceptRings) * Int(layout.slotsPerRing))
        }
        return least.min()! * layouts.count
    }

    /// The most that can be dealt so that all workers together need no more rings than there are.
    private func connectingDirect(_ layouts: [URingLayout], furtherRings: Int) -> Int {
        if furtherRings < 0 { return 0 }
        var held = 0
        var tooMany = workers * Int(limits.connections) + 1
        while tooMany - held > 1 {
            let middle = (held + tooMany) / 2
            if ringsNeeded(layouts, connections: middle) - workers <= furtherRings {
                held = middle
            } else {
                tooMany = middle
            }
        }
        return held
    }

    private func ringsNeeded(_ layouts: [URingLayout], connections: Int) -> Int {
        layouts.enumerated().reduce(0) { sum, worker in
            let isOneMore = worker.offset < connections % workers
            let share = connections / workers + (isOneMore ? 1 : 0)
            let slots = Int(worker.element.slotsPerRing)
            if share == 0 { return sum + 1 }
            return sum + worker.element.acceptRings + (share + slots - 1) / slots
        }
    }
}
