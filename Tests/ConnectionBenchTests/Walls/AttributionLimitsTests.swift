// Limits that an errno names: each with the figure that agrees, and each without.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct AttributionDescriptorTests {
    @Test("EMFILE of connects is the client's descriptors", arguments: BackendKind.allCases)
    func client(backend: BackendKind) {
        let verdict = seen(backend) {
            $0.failed("EMFILE")
            $0.clientDescriptors = 20_000
        }.stop()
        #expect(verdict.wall == .descriptors && verdict.side == .client)
        #expect(verdict.confidence == .high)
        #expect(
            verdict.proof == [
                "1,001 connects failed with EMFILE", "RLIMIT_NOFILE 20,000",
                "20,000 descriptors open in one process",
            ])
    }

    @Test("EMFILE of accepts is the server's, though other programs overflowed their queues")
    func server() {
        for stalled in [0.0, 6.0] {
            let verdict = seen {
                $0.stalledSeconds = stalled
                $0.serverOpen = 9_000
                $0.serverDescriptors = 19_999
                $0.server.acceptFailures = 50
                $0.server.acceptFailuresNoDescriptor = 50
                $0.counted(["TcpExtListenOverflows": 400, "TcpExtTCPSynRetrans": 300])
            }.stop()
            #expect(verdict.wall == .descriptors && verdict.side == .server)
        }
    }

    @Test("connects that time out before a server without descriptors are its descriptors' fault")
    func timedOut() {
        let verdict = seen {
            $0.failed("ETIMEDOUT")
            $0.serverOpen = 9_000
            $0.serverDescriptors = 20_000
            $0.server.acceptFailures = 50
            $0.server.acceptFailuresNoDescriptor = 50
            $0.counted(["TcpExtListenOverflows": 5_000, "TcpExtTCPSynRetrans": 5_000])
        }.stop()
        #expect(verdict.wall == .descriptors && verdict.side == .server)
    }

    @Test("EMFILE with few descriptors open is unknown, but for io_uring, whose sockets are none")
    func few() {
        #expect(seen { $0.failed("EMFILE") }.stop().wall == .unknown)
        #expect(
            seen(.uring) {
                $0.failed("EMFILE")
                $0.clientDescriptors = 70
            }.stop().wall == .descriptors)
    }

    @Test("an unlimited hard limit ends at fs.nr_open")
    func unlimited() {
        let facts = roomyMachine {
            $0.openFilesHard = .unlimited
            $0.openFilesPerProcessMax = 1_048_576
        }
        let verdict = seen {
            $0.failed("EMFILE")
            $0.clientDescriptors = 1_048_576
        }.stop(facts)
        #expect(verdict.wall == .descriptors && verdict.proof[1] == "RLIMIT_NOFILE 1,048,576")
    }

    @Test("ENFILE is fs.file-max where the system's files are near it")
    func systemFiles() {
        let verdict = seen {
            $0.failed("ENFILE")
            $0.systemFilesUsed = 2_466_100
        }.stop()
        #expect(verdict.wall == .systemFiles && verdict.confidence == .high)
        #expect(
            verdict.proof == [
                "1,001 connects failed with ENFILE", "fs.file-max 2,466,170",
                "2,466,100 open (/proc/sys/fs/file-nr)",
            ])
    }

    @Test("ENFILE far from fs.file-max is unknown", arguments: BackendKind.allCases)
    func farFromFileMax(backend: BackendKind) {
        #expect(seen(backend) { $0.failed("ENFILE") }.stop().wall == .unknown)
    }

    @Test("ENFILE of a privileged user is not fs.file-max, which does not bind it")
    func privileged() {
        let facts = roomyMachine { $0.capabilities = 0x1ff_ffff_ffff }
        let verdict = seen {
            $0.failed("ENFILE")
            $0.systemFilesUsed = 2_466_170
        }.stop(facts)
        #expect(verdict.wall == .unknown)
    }

    @Test("ENFILE without the system's figures: medium, and with io_uring unknown")
    func unreadable() {
        func stop(_ backend: BackendKind) -> Verdict {
            seen(backend) {
                $0.failed("ENFILE")
                $0.systemFilesUsed = nil
            }.stop()
        }
        #expect(stop(.epoll).wall == .systemFiles && stop(.epoll).confidence == .medium)
        #expect(stop(.uring).wall == .unknown)
    }

    @Test("ENFILE of io_uring with a full direct table is io_uring's")
    func directTable() {
        let verdict = seen(.uring) {
            $0.stalledSeconds = 6
            $0.serverOpen = 9_000
            $0.server.acceptFailures = 12
            $0.server.acceptFailuresNoFile = 12
            $0.server.acceptTableFull = 5
        }.stop()
        #expect(verdict.wall == .ioUring && verdict.side == .server)
    }

    @Test("ENOSPC is epoll's watches with epoll, and unknown with others")
    func watches() {
        let connects = seen { $0.failed("ENOSPC") }.stop()
        #expect(connects.wall == .epollWatches && connects.side == .client)
        #expect(connects.proof[1] == "fs.epoll.max_user_watches 5,491,511")
        let accepts = seen {
            $0.server.acceptFailures = 7
            $0.server.acceptFailuresNoWatch = 7
        }.stop()
        #expect(accepts.wall == .epollWatches && accepts.side == .server)
        #expect(seen(.uring) { $0.failed("ENOSPC") }.stop().wall == .unknown)
        #expect(seen(.threads) { $0.failed("ENOSPC") }.stop().wall == .unknown)
    }
}

@Suite struct AttributionThreadTests {
    private func stop(
        _ facts: HostFacts = roomyMachine(), _ change: (inout Evidence) -> Void
    ) -> Verdict {
        seen(.threads) {
            $0.failed("EAGAIN")
            $0.serverMaps = 21_000
            $0.clientMaps = 21_000
            $0.threadsUsed = 20_100
            change(&$0)
        }.stop(facts)
    }

    @Test("EAGAIN with no limit near is unknown, though RLIMIT_NPROC is set")
    func none() {
        let verdict = stop { _ in }
        #expect(verdict.wall == .unknown)
        #expect(
            verdict.proof == [
                "1,001 connects failed with EAGAIN, and no limit on threads is near"
            ])
    }

    @Test("EAGAIN of a backend without threads is unknown", arguments: [BackendKind.uring, .epoll])
    func otherBackend(backend: BackendKind) {
        let verdict = seen(backend) {
            $0.failed("EAGAIN")
            $0.threadsUsed = 32_760
        }.stop()
        #expect(verdict.wall == .unknown)
    }

    @Test("the group that counted refusals is the wall, whatever else is near")
    func controlGroup() {
        let verdict = stop {
            $0.controlGroupPids = ControlGroupLimit(limit: .at(100), used: 99, path: "/g/pids.max")
            $0.controlGroupPidEvents = 12
            $0.threadsUsed = 32_700
        }
        #expect(verdict.wall == .controlGroupThreads && verdict.confidence == .high)
        #expect(verdict.proof[1] == "/g/pids.max is 100, 1 left, met 12 times (pids.events)")
    }

    @Test("a group with room, or without a refusal, is not the wall")
    func roomyGroup() {
        let room = stop {
            $0.controlGroupPids = ControlGroupLimit(
                limit: .at(29_000), used: 20_100, path: "/g/pids.max")
            // Another program's burst.
            $0.controlGroupPidEvents = 12
        }
        #expect(room.wall == .unknown)
        let unmet = stop {
            $0.controlGroupPids = ControlGroupLimit(limit: .at(100), used: 100, path: "/g/pids.max")
            $0.controlGroupPidEvents = 0
        }
        #expect(unmet.wall == .unknown)
    }

    @Test("a full group that does not count its refusals is the wall, with less confidence")
    func uncounted() {
        let verdict = stop {
            $0.controlGroupPids = ControlGroupLimit(limit: .at(100), used: 100, path: "/g/pids.max")
        }
        #expect(verdict.wall == .controlGroupThreads && verdict.confidence == .medium)
    }

    @Test("threads near kernel.pid_max, of which 300 are reserved, are out of ids")
    func processIDs() {
        #expect(stop { $0.threadsUsed = 32_403 }.wall == .unknown)
        let verdict = stop { $0.threadsUsed = 32_404 }
        #expect(verdict.wall == .processIDs && verdict.confidence == .high)
        #expect(verdict.proof[1] == "32,404 threads of kernel.pid_max 32,768")
    }

    @Test("threads near kernel.threads-max are the system's")
    func systemThreads() {
        let facts = roomyMachine { $0.threadsMax = 25_000 }
        #expect(stop(facts) { $0.threadsUsed = 24_935 }.wall == .unknown)
        #expect(stop(facts) { $0.threadsUsed = 24_936 }.wall == .systemThreads)
    }

    @Test("of two limits that are both near, neither is called the wall")
    func two() {
        let facts = roomyMachine { $0.threadsMax = 32_500 }
        let verdict = stop(facts) { $0.threadsUsed = 32_490 }
        #expect(verdict.wall == .unknown)
        #expect(
            verdict.proof == [
                "1,001 connects failed with EAGAIN", "32,490 threads of kernel.pid_max 32,768",
                "32,490 threads of kernel.threads-max 32,500",
            ])
    }

    @Test("RLIMIT_NPROC binds an ordinary user whose own threads are near it")
    func user() {
        let limited = roomyMachine { $0.userThreadsSoft = .at(150) }
        let verdict = stop(limited) { $0.userThreadsUsed = 148 }
        #expect(verdict.wall == .userThreads && verdict.confidence == .high)
        #expect(verdict.proof[1] == "148 threads of this user, RLIMIT_NPROC is 150")
        // The threads of others do not count.
        #expect(stop(limited) { $0.userThreadsUsed = 100 }.wall == .unknown)
        let privileged = roomyMachine {
            $0.userThreadsSoft = .at(150)
            $0.capabilities = 0x1ff_ffff_ffff
        }
        #expect(stop(privileged) { $0.userThreadsUsed = 148 }.wall == .unknown)
    }

    @Test("out of mappings pthread_create says EAGAIN: the side's own mappings tell")
    func mappings() {
        let verdict = stop { $0.clientMaps = 65_528 }
        #expect(verdict.wall == .memoryMaps && verdict.side == .client)
        #expect(verdict.proof[1] == "65,528 mappings of vm.max_map_count 65,530")
        #expect(stop { $0.serverMaps = 65_528 }.wall == .unknown, "the client's failed")
        let server = seen(.threads) {
            $0.clientLosses = ["ECONNRESET": 900]
            $0.server.acceptFailures = 900
            $0.server.acceptFailuresNoThread = 900
            $0.serverMaps = 65_530
        }.stop()
        #expect(server.wall == .memoryMaps && server.side == .server)
    }

    @Test("out of memory pthread_create says EAGAIN, too")
    func memory() {
        let group = stop {
            $0.controlGroupMemory = ControlGroupLimit(
                limit: .at(1_000_000), used: 950_000, path: "/g/memory.max")
            $0.controlGroupMemoryEvents = 3
        }
        #expect(group.wall == .controlGroupMemory && group.confidence == .medium)
        #expect(stop { $0.memoryUsableBytes = 2 * gibibyte }.wall == .memory)
    }

    @Test("unknown figures prove nothing")
    func unreadable() {
        let verdict = seen(.threads) {
            $0.failed("EAGAIN")
            $0.threadsUsed = nil
        }.stop(HostFacts())
        #expect(verdict.wall == .unknown)
    }
}

@Suite struct AttributionMemoryTests {
    @Test("ENOMEM and ENOBUFS with plenty of memory are unknown", arguments: ["ENOMEM", "ENOBUFS"])
    func plenty(errno: String) {
        for backend in BackendKind.allCases {
            let verdict = seen(backend) { $0.failed(errno) }.stop()
            #expect(verdict.wall == .unknown)
            #expect(
                verdict.proof == [
                    "1,001 connects failed with \(errno), though 10.0 GiB of memory are left to use"
                ])
        }
    }

    @Test("ENOMEM above the floor is unknown, at it memory")
    func floor() {
        func stop(_ usable: Int) -> Verdict {
            seen {
                $0.failed("ENOMEM")
                $0.memoryUsableBytes = usable
            }.stop()
        }
        #expect(stop(2 * gibibyte + 1).wall == .unknown)
        #expect(stop(2 * gibibyte).wall == .memory)
        #expect(stop(2 * gibibyte).confidence == .medium)
    }

    @Test("ENOMEM in a control group that is full and was met is the group's")
    func controlGroup() {
        func stop(used: Int, events: Int?) -> Verdict {
            seen {
                $0.failed("ENOMEM")
                $0.controlGroupMemory = ControlGroupLimit(
                    limit: .at(1_000_000), used: used, path: "/g/memory.max")
                $0.controlGroupMemoryEvents = events
            }.stop()
        }
        #expect(stop(used: 950_000, events: 9).wall == .controlGroupMemory)
        #expect(stop(used: 950_000, events: 9).confidence == .high)
        #expect(stop(used: 950_000, events: nil).confidence == .medium)
        #expect(stop(used: 950_000, events: 0).wall == .unknown)
        // File cache makes a group meet its limit too, and goes.
        #expect(stop(used: 300_000, events: 9).wall == .unknown)
    }

    @Test("rings that could not be made though there is memory are io_uring's")
    func rings() {
        let verdict = seen(.uring) {
            $0.failed("ENOMEM")
            $0.client.ringFailures = 3
        }.stop()
        #expect(verdict.wall == .ioUring && verdict.side == .client)
        let other = seen(.uring) {
            $0.failed("ENOMEM")
            $0.server.ringFailures = 3
        }.stop()
        #expect(other.wall == .unknown, "the other side's rings")
    }

    @Test("ENOMEM of a thread's process without mappings is vm.max_map_count")
    func mappings() {
        let verdict = seen(.threads) {
            $0.failed("ENOMEM")
            $0.clientMaps = 65_520
        }.stop()
        #expect(verdict.wall == .memoryMaps)
        let epoll = seen {
            $0.failed("ENOMEM")
            $0.clientMaps = 65_520
        }.stop()
        #expect(epoll.wall == .unknown)
    }
}
