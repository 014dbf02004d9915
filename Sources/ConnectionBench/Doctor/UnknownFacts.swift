// Facts that could not be read, with the reason: an answer too.

/// Tries those files again whose fact is missing, for the sake of the error.
enum UnknownFacts {
    private struct Fact {
        let name: String
        let path: String
        let isKnown: Bool
        /// What its absence means, where it is no failure.
        var ifMissing: String?
    }

    static func of(_ host: HostFacts) -> [UnknownFact] {
        let facts = [
            Fact(
                name: "the kernel's range of source ports",
                path: "/proc/sys/net/ipv4/ip_local_port_range", isKnown: host.localPortFirst != nil),
            Fact(
                name: "limits of this process", path: "/proc/self/limits",
                isKnown: host.openFilesHard != nil),
            Fact(
                name: "the ceiling of open files per process", path: "/proc/sys/fs/nr_open",
                isKnown: host.openFilesPerProcessMax != nil),
            Fact(
                name: "open files of the system", path: "/proc/sys/fs/file-max",
                isKnown: host.systemFilesMax != nil),
            Fact(
                name: "epoll watches per user", path: "/proc/sys/fs/epoll/max_user_watches",
                isKnown: host.epollWatchesMax != nil),
            Fact(
                name: "process ids", path: "/proc/sys/kernel/pid_max", isKnown: host.pidMax != nil),
            Fact(
                name: "threads of the system", path: "/proc/sys/kernel/threads-max",
                isKnown: host.threadsMax != nil),
            Fact(
                name: "memory mappings per process", path: "/proc/sys/vm/max_map_count",
                isKnown: host.mapsPerProcessMax != nil),
            Fact(
                name: "TCP's memory", path: "/proc/sys/net/ipv4/tcp_mem",
                isKnown: host.tcpMemoryPages != nil,
                ifMissing: "a network namespace does not show it"),
            Fact(
                name: "exact kernel memory by cache", path: "/proc/slabinfo",
                isKnown: (try? TextFile.read("/proc/slabinfo")) != nil),
            Fact(
                name: "the firewall's table", path: "/proc/sys/net/netfilter/nf_conntrack_max",
                isKnown: host.conntrackMax != nil,
                ifMissing: "this kernel has no conntrack loaded: nothing is tracked"),
            Fact(
                name: "whether io_uring is disabled", path: "/proc/sys/kernel/io_uring_disabled",
                isKnown: host.ioUringDisabled != nil,
                ifMissing: "kernels before 6.6 have no such switch; it was tried out instead"),
        ]
        return facts.filter { !$0.isKnown }.map { fact in
            UnknownFact(name: fact.name, reason: reason(fact))
        }
    }

    private static func reason(_ fact: Fact) -> String {
        do throws(FileError) {
            _ = try TextFile.read(fact.path)
            return "\(fact.path) has an unknown form"
        } catch {
            if error.isMissing, let meaning = fact.ifMissing { return meaning }
            return "\(error)"
        }
    }
}
