// What else a connection meets on its way, in the order of the story: ports, descriptors, threads,
// memory, processors, queues, io_uring.

import ConnectionEngine
import Glibc

/// Facts with their meaning. On a thread that is in the clients' network.
struct HostNotes {
    let host: HostFacts
    let plan: RunPlan
    let forecasts: [BackendForecast]

    func all() throws -> [DoctorNote] {
        var notes: [DoctorNote] = []
        func add(_ chapter: DoctorNote.Chapter, _ found: [(DoctorNote.State, String)]) {
            notes += found.map { DoctorNote(chapter: chapter, state: $0.0, text: $0.1) }
        }
        add(.ports, try ports())
        add(.descriptors, descriptors())
        add(.threads, threads())
        add(.memory, memory())
        add(.processors, processors())
        add(.network, network())
        add(.ioUring, ioUring())
        return notes
    }

    private typealias Note = (DoctorNote.State, String)

    private func ports() throws -> [Note] {
        var notes: [Note] = []
        if let first = host.localPortFirst, let last = host.localPortLast, first <= last {
            let range = last - first + 1
            let reserved = PortCapacity.portCount(
                of: host.localPortsReserved ?? "", within: first...last)
            let usable = range - reserved
            notes.append(
                (
                    .note,
                    "A program that lets the kernel choose has \(Count.format(usable)) ports"
                        + " (\(first)-\(last)\(reserved > 0 ? ", \(reserved) reserved" : "")) for each"
                        + " pair of its own address and one destination, and half of them fast: the"
                        + " kernel tries one parity first, so from \(Count.format(usable / 2)) on each"
                        + " connect searches (uring-bench ports shows it). This tool binds addresses"
                        + " of 127.0.0.0/8 and ports outside of that range itself."
                ))
            let taken = try PortsInUse.count(in: first...last)
            if taken > usable / 2 {
                notes.append(
                    (.warning, "\(Count.format(taken)) ports of that range are in use now."))
            }
        }
        if let sockets = try? SocketStatistics.read(), let limit = host.timeWaitMax {
            let state: DoctorNote.State = sockets.timeWait > limit / 2 ? .warning : .good
            notes.append(
                (
                    state,
                    "\(Count.format(sockets.timeWait)) ended connections still keep their ports for a"
                        + " minute (TIME_WAIT); at \(Count.format(limit)) (net.ipv4.tcp_max_tw_buckets)"
                        + " the kernel drops that safeguard."
                ))
        }
        return notes
    }

    private func descriptors() -> [Note] {
        var notes: [Note] = []
        if let soft = host.openFilesSoft?.value, let hard = host.openFilesHard?.value {
            var text =
                "A process may have \(Count.format(hard)) open files (RLIMIT_NOFILE; the soft limit is"
                + " \(Count.format(soft)), which this tool raises to the hard one)"
            if let ceiling = host.openFilesPerProcessMax {
                text += ". An administrator can raise it to \(Count.format(ceiling)) (fs.nr_open)"
            }
            notes.append((.note, text + "."))
        }
        if let used = host.systemFilesUsed, let limit = host.systemFilesMax {
            let exempt =
                host.hasSystemAdmin == true
                ? "; root (CAP_SYS_ADMIN) is not bound by it, but beyond it nobody else can open any"
                : ""
            notes.append(
                (
                    .good,
                    "The whole system has \(Count.format(used)) of \(Count.format(limit)) files open"
                        + " (fs.file-max)\(exempt)."
                ))
        }
        return notes
    }

    private func threads() -> [Note] {
        guard let used = host.threadsUsed, let pids = host.pidMax, let threads = host.threadsMax
        else { return [] }
        var text =
            "\(Count.format(used)) threads run; the machine allows"
            + " \(Count.format(min(pids, threads))) (\(pids < threads ? "kernel.pid_max" : "kernel.threads-max"))"
        if let group = host.controlGroupPids, let limit = group.limit.value {
            text += ", this control group \(Count.format(limit)) (\(group.path))"
        }
        return [(.note, text + ". Only a thread per connection needs them.")]
    }

    private func memory() -> [Note] {
        var notes: [Note] = []
        if let pages = host.tcpMemoryPages {
            notes.append(
                (
                    .note,
                    "At most \(Count.format(pages[2])) connections can have unread data at once"
                        + " (net.ipv4.tcp_mem, a page each); from \(Count.format(pages[1])) on the"
                        + " kernel makes their buffers smaller."
                ))
        }
        if let orphans = host.orphansMax {
            notes.append(
                (
                    .note,
                    "At most \(Count.format(orphans)) closed connections may still wait for their"
                        + " peer (net.ipv4.tcp_max_orphans); those beyond are reset."
                ))
        }
        if let group = host.controlGroupMemory, let limit = group.limit.value {
            notes.append(
                (
                    .note,
                    "This control group may use \(Count.format(bytes: limit)) (\(group.path)), of"
                        + " which \(Count.format(bytes: group.used ?? 0)) are used. The kernel does"
                        + " not count \(Count.format(ConnectionCost.unchargedBytes)) B of each"
                        + " accepted socket."
                ))
        }
        notes.append(
            (
                .note,
                "MemAvailable counts \(Count.format(UsableMemory.pinnedBytesPerSocket)) B of every"
                    + " open socket as free (reclaimable slab that is not); a run subtracts them."
            ))
        if let locked = Limit.lockedMemory {
            notes.append(
                (
                    .good,
                    "RLIMIT_MEMLOCK is \(locked); rings do not count on it since Linux 5.12."
                ))
        }
        return notes
    }

    private func processors() -> [Note] {
        forecasts.compactMap { forecast in
            guard let calibration = forecast.preflight?.cost.calibration else { return nil }
            let time = Double(plan.connections) / max(calibration.connectsPerSecond, 1)
            var text =
                "\(forecast.backend.rawValue): \(Count.format(Int(calibration.connectsPerSecond)))"
                + " connects/s with \(Count.format(calibration.connections)) connections, so"
                + " \(Count.format(plan.connections)) take \(Decimal1.text(time)) s or more"
            if let connect = calibration.connectMicroseconds,
                let echo = calibration.echoMicroseconds
            {
                text +=
                    "; \(Decimal1.text(connect)) µs of processor time per connect,"
                    + " \(Decimal1.text(echo)) µs per echo, both ends together"
                if let count = host.processorsAllowed ?? host.processorsOnline, echo > 0 {
                    let echoes = Int(Double(count) * 1e6 / echo)
                    text +=
                        ", so with a message a second on each connection the processors end at"
                        + " \(Count.format(echoes))"
                }
            }
            return (.note, text + ".")
        }
    }

    private func network() -> [Note] {
        var notes: [Note] = []
        let entries = forecasts.compactMap {
            $0.preflight?.cost.calibration?.conntrackEntriesPerConnection
        }.max()
        if let limit = host.conntrackMax, let entries {
            notes.append(
                entries == 0
                    ? (
                        .good,
                        "The firewall remembers no loopback connection (conntrack: the measured ones"
                            + " left no entry), so its limit of \(Count.format(limit)) does not count."
                    )
                    : (
                        .warning,
                        "The firewall remembers each connection (conntrack:"
                            + " \(Decimal1.text(entries)) entries each) and has room for"
                            + " \(Count.format(limit)) (net.netfilter.nf_conntrack_max)."
                    ))
        } else if let limit = host.conntrackMax {
            notes.append(
                (
                    .note,
                    "The firewall has room for \(Count.format(limit)) connections (conntrack);"
                        + " whether it remembers loopback ones was not tried."
                )
            )
        }
        let rate =
            forecasts.compactMap { $0.preflight?.cost.calibration?.connectsPerSecond }.max()
        /// How long a queue lasts at the measured rate of connects while nobody empties it.
        func lasts(_ places: Int, perConnect: Double) -> String {
            guard let rate, rate > 0 else { return "" }
            let nanoseconds = UInt64(Double(places) / perConnect / rate * 1e9)
            return ": at \(Count.format(Int(rate))) connects/s that lasts"
                + " \(DurationText.of(nanoseconds))"
                + (perConnect > 1 ? ", three packets to each" : "")
        }
        if let somaxconn = host.somaxconn {
            notes.append(
                (
                    .note,
                    "\(Count.format(somaxconn)) connections may wait to be accepted on each listener"
                        + " (net.core.somaxconn)\(lasts(somaxconn, perConnect: 1)). A faster burst waits a second for its next SYN; this"
                        + " tool connects no faster than its servers accept."
                ))
        }
        if let backlog = host.netdevMaxBacklog {
            notes.append(
                (
                    .note,
                    "\(Count.format(backlog)) packets may wait for a processor"
                        + " (net.core.netdev_max_backlog)\(lasts(backlog, perConnect: 3)); a"
                        + " dropped one costs its connection 200 ms."
                ))
        }
        return notes
    }

    private func ioUring() -> [Note] {
        guard let uring = forecasts.first(where: { $0.backend == .uring }) else { return [] }
        if let reason = uring.unavailable { return [(.warning, "io_uring: \(reason).")] }
        if uring.fallbacks.isEmpty {
            return [(.good, "io_uring works here, with every feature that this tool uses.")]
        }
        return [(.note, "io_uring works here without \(uring.fallbacks.joined(separator: "; ")).")]
    }
}

/// Limits of this process that are only reported.
enum Limit {
    static var lockedMemory: String? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(8), &limit) == 0 else { return nil }
        return limit.rlim_cur == rlim_t.max ? "unlimited" : Count.format(bytes: Int(limit.rlim_cur))
    }
}
