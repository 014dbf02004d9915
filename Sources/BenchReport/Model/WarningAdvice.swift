// What to do about each warning, in plain words.

enum WarningAdvice {
    /// `nil`: the warning's own message says it.
    static func text(_ id: String) -> String? { texts[id] }

    private static let texts: [String: String] = [
        "debug-build":
            "Do not use these figures: build with `swift build -c release` and measure again.",
        "listen-overflow":
            "Clients were turned away and tried again after a second or more. Give a larger"
            + " --backlog and raise net.core.somaxconn, or connect more slowly: --connect-rate.",
        "syn-retransmit":
            "The slowest connects waited for the kernel's pause, not for the server. Read their"
            + " percentiles with that in mind, or lower --connect-rate.",
        "syn-retries":
            "The slowest connects waited for the kernel's pause, not for the server. Read their"
            + " percentiles with that in mind, or lower --connect-rate.",
        "retransmit":
            "Packets were lost on the way, so some latencies contain their repetition. On loopback"
            + " the receiving queue is the usual place: see net.core.netdev_max_backlog.",
        "softnet-drop":
            "Raise net.core.netdev_max_backlog, or send less at once (--rate, --connect-window).",
        "tcp-memory":
            "Raise net.ipv4.tcp_mem, or use smaller messages. While this lasts the kernel shrinks"
            + " windows, and latencies are too large.",
        "time-wait-overflow":
            "Raise net.ipv4.tcp_max_tw_buckets, or close with --close reset.",
        "governor":
            "The run was slowed to protect the host, so connect rates are lower than the backend's"
            + " own. Use a machine with more memory, or fewer connections.",
        "cq-overflow":
            "Nothing was lost, but the kernel had to keep completions aside. More --workers, or a"
            + " smaller --connect-window.",
        "cq-dropped":
            "Completions are gone, so the counts of this run cannot be trusted. Please report it"
            + " with this file.",
        "accept-table-full":
            "Clients were accepted and lost at once. Please report it with this file.",
        "accept-failure":
            "Accepting was repeated, which costs time. The usual cause is the limit of open files:"
            + " see uring-bench doctor.",
        "buffers":
            "Receives waited for a buffer, which is part of their latency. Send less at once"
            + " (--rate), or smaller messages.",
        "io-worker":
            "io_uring handed network requests to kernel threads, which is slow. A newer kernel"
            + " usually helps.",
        "rate-not-reached":
            "Percentiles count what was not answered with the time it has waited. For the latency"
            + " of a server that keeps up, lower --rate.",
        "client-saturated":
            "The client was the limit, not the server: lower --rate, or give --workers where there"
            + " are processors left.",
        "foreign-sockets":
            "Other programs opened or closed connections meanwhile. Measure on a quiet machine, or"
            + " with --netns loopback, where nobody else is.",
        "steal":
            "Another guest of the same machine took processor time. Measure at another time, or on"
            + " a machine of your own.",
        "rate-fell":
            "Connecting became slower with more connections. See the connect rate over time"
            + " and the processor time at the last steps.",
        "fallback-backend":
            "These are figures of epoll, not of io_uring. uring-bench doctor says what is missing.",
        "missing-feature":
            "The backend did without a kernel feature, so it may be slower than on a newer kernel.",
        "not-calibrated":
            "Where the wall was expected follows from a table and not from this machine.",
        "wall-ignored": "--ignore-walls was given, so the run met a limit that was known before.",
        "system-files":
            "Raise fs.file-max, or leave the files to other programs by fewer connections.",
        "connections-lost":
            "Connections ended while they should have been idle. Look at the kernel's log (dmesg)"
            + " for the cause.",
        "counters-incomplete": "The engine's counters of this run are too small.",
        "no-sweep":
            "Not every connection has proved that it works, only those that the probes used.",
        "shed": "Connections were dropped at once at the wall, instead of one after the other.",
        "teardown": "The rate of closing is not of this tool's doing, but of the kernel's.",
    ]
}
