// Why a climb ended: the governor, stopped processes, ports, and what may not be called a cause.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct AttributionGovernorTests {
    @Test("memory at its floor is memory, with the figure that was judged")
    func memory() {
        let verdict = seen {
            $0.governed(.memory, "1.9 GiB of memory left to use, the floor is 2.0 GiB")
            $0.bytesPerConnection = 8_250
        }.stop()
        #expect(verdict.wall == .memory && verdict.side == .host && verdict.confidence == .high)
        #expect(
            verdict.proof == [
                "1.9 GiB of memory left to use, the floor is 2.0 GiB", "10,000 connections",
                "8,250 B per connection",
            ])
    }

    @Test("the control group at its floor is the control group")
    func controlGroup() {
        let verdict = seen {
            $0.governed(.controlGroupMemory)
            $0.controlGroupMemory = ControlGroupLimit(
                limit: .at(300 << 20), used: 280 << 20, path: "/g/memory.max")
        }.stop()
        #expect(verdict.wall == .controlGroupMemory && verdict.confidence == .high)
        #expect(verdict.proof[1] == "/g/memory.max is 300.0 MiB, 20.0 MiB left")
    }

    @Test("pressure of memory is memory only where little is left")
    func pressure() {
        let near = seen {
            $0.governed(.memoryPressure)
            $0.memoryUsableBytes = 2 * gibibyte + (511 << 20)
        }
        #expect(near.stop().wall == .memory && near.stop().confidence == .medium)
        // Another program thrashes in its own control group: PSI is the machine's.
        let elsewhere = seen { $0.governed(.memoryPressure) }
        #expect(elsewhere.stop().wall == .unknown)
        let group = seen {
            $0.governed(.memoryPressure)
            $0.controlGroupMemory = ControlGroupLimit(
                limit: .at(1_000), used: 950, path: "/g/memory.max")
        }
        #expect(group.stop().wall == .controlGroupMemory)
        #expect(group.stop().confidence == .medium)
    }

    @Test("lateness is the processors' only where they were busy and ours")
    func delay() {
        func stop(_ change: (inout Evidence) -> Void) -> Verdict {
            seen {
                $0.governed(.schedulingDelay)
                change(&$0)
            }.stop()
        }
        #expect(stop { $0.busyShare = 0.97 }.wall == .processors)
        #expect(stop { $0.busyShare = 0.97 }.confidence == .medium)
        #expect(stop { $0.busyShare = 0.5 }.wall == .unknown)
        #expect(stop { _ in }.wall == .unknown)
        let stolen = stop {
            $0.busyShare = 0.99
            $0.stealShare = 0.4
        }
        #expect(stolen.wall == .outside && stolen.confidence == .medium)
        // The kernel looks for memory, and everybody waits for it.
        let starved = stop {
            $0.busyShare = 0.97
            $0.memoryUsableBytes = 2 * gibibyte
        }
        #expect(starved.wall == .memory && starved.confidence == .medium)
    }
}

@Suite struct AttributionFrozenTests {
    @Test("a stopped server explains a stall")
    func server() {
        let verdict = seen {
            $0.stalledSeconds = 6.4
            $0.stoppedServers = ["server 0"]
            $0.serverOpen = 8_900
        }.stop()
        #expect(verdict.wall == .frozenPeer && verdict.side == .server)
        #expect(verdict.confidence == .high)
        #expect(
            verdict.proof == [
                "server 0 is stopped (state T of /proc/<pid>/stat)",
                "1,100 connections wait to be accepted", "nothing moved for 6 s",
            ])
    }

    @Test("a stopped client explains a stall")
    func client() {
        let verdict = seen {
            $0.stalledSeconds = 6
            $0.stoppedClients = ["client 3"]
        }.stop()
        #expect(verdict.wall == .frozenPeer && verdict.side == .client)
    }

    @Test("a stopped server explains connects that timed out, too")
    func timedOut() {
        let verdict = seen {
            $0.failed("ETIMEDOUT", 40)
            $0.stoppedServers = ["server 0"]
        }.stop()
        #expect(verdict.wall == .frozenPeer)
        #expect(verdict.proof.last == "connects failed: 40 with ETIMEDOUT")
    }

    @Test("a stopped server explains no errno of the clients' own")
    func descriptors() {
        let verdict = seen {
            $0.failed("EMFILE")
            $0.clientDescriptors = 20_000
            $0.stoppedServers = ["server 0"]
        }.stop()
        #expect(verdict.wall == .descriptors && verdict.side == .client)
    }

    @Test("a stopped process does not outrank the governor")
    func governor() {
        let verdict = seen {
            $0.stalledSeconds = 6
            $0.stoppedServers = ["server 0"]
            $0.governed(.memory)
        }.stop()
        #expect(verdict.wall == .memory)
    }
}

@Suite struct AttributionPortsTests {
    @Test("the kernel out of ports is the ports wall, with what the plan had")
    func kernel() throws {
        let verdict = seen {
            $0.failed("EADDRNOTAVAIL")
            $0.clientOpen = 200
            $0.timeWait = 3
        }.stop(roomyMachine(), try kernelWall())
        #expect(verdict.wall == .ports && verdict.side == .client && verdict.confidence == .high)
        #expect(
            verdict.proof == [
                "1,001 connects failed with EADDRNOTAVAIL", "the plan has 200: 200 ports",
                "200 connections, 3 in TIME_WAIT",
            ])
    }

    @Test("ports that others hold are the ports wall, far below the plan's end")
    func others() {
        let verdict = seen { $0.failed("EADDRINUSE") }.stop(roomyMachine(), plannedWall(1_000_000))
        #expect(verdict.wall == .ports && verdict.confidence == .high)
    }

    @Test("a planned source that is not available is no lack of ports while the plan has many left")
    func foreignAddress() {
        let evidence = seen {
            $0.failed("EADDRNOTAVAIL")
            $0.clientOpen = 0
            $0.serverOpen = 0
        }
        #expect(evidence.stop(roomyMachine(), plannedWall(1_000_000)).wall == .unknown)
        let near = seen {
            $0.failed("EADDRNOTAVAIL")
            $0.clientOpen = 8_000
            $0.timeWait = 1_500
        }
        #expect(near.stop(roomyMachine(), plannedWall(10_000)).wall == .ports)
    }

    @Test("a plan whose every tuple is used is the ports wall, without any errno")
    func spent() {
        let evidence = seen {
            $0.clientOpen = 299
            $0.serverOpen = 299
            $0.connectErrors = ["ETIMEDOUT": 1]
        }
        let full = seen {
            $0.clientOpen = 300
            $0.serverOpen = 300
        }
        #expect(full.stop(roomyMachine(), plannedWall(300)).wall == .ports)
        #expect(full.stop(roomyMachine(), plannedWall(301)).wall == .unknown)
        #expect(full.stop().wall == .unknown)
        // Silence is asked first, and knows nothing here.
        #expect(evidence.stop(roomyMachine(), plannedWall(300)).wall == .unknown)
    }

    @Test("accepts that failed once, and were made good, do not hide that the plan is spent")
    func spentAfterFailure() {
        let verdict = seen {
            $0.clientOpen = 300
            $0.serverOpen = 300
            $0.server.acceptFailures = 2
            $0.server.acceptFailuresNoMemory = 2
        }.stop(roomyMachine(), plannedWall(300))
        #expect(verdict.wall == .ports)
    }

    @Test("a spent plan explains no stall")
    func spentStalled() {
        let verdict = seen {
            $0.clientOpen = 300
            $0.serverOpen = 300
            $0.stalledSeconds = 6
        }.stop(roomyMachine(), plannedWall(300))
        #expect(verdict.wall == .unknown)
    }
}

@Suite struct AttributionDoubtTests {
    @Test("without an errno or a counter nothing is known, however busy the machine was")
    func nothing() {
        let verdict = seen {
            $0.stalledSeconds = 6
            $0.busyShare = 0.99
        }.stop()
        #expect(verdict.wall == .unknown && verdict.confidence == .low)
        #expect(
            verdict.proof == [
                "10,000 connections, 0 of them not accepted: nothing moved for 6 s",
                "all processors busy for 99 %",
            ])
        #expect(seen { _ in }.stop().wall == .unknown)
    }

    @Test("connects that failed and were tried again explain no stall: each was a movement")
    func failuresBeforeStall() {
        let verdict = seen {
            $0.failed("EADDRINUSE", 2)
            $0.stalledSeconds = 6
        }.stop()
        #expect(verdict.wall == .unknown)
        #expect(verdict.proof[1] == "connects failed: 2 with EADDRINUSE")
    }

    @Test("a few taken ports do not hide that the server had no descriptor left")
    func serverBehindPorts() {
        let verdict = seen {
            $0.failed("EADDRINUSE", 2)
            $0.stalledSeconds = 6
            $0.serverOpen = 9_000
            $0.serverDescriptors = 20_000
            $0.server.acceptFailures = 60
            $0.server.acceptFailuresNoDescriptor = 60
        }.stop()
        #expect(verdict.wall == .descriptors && verdict.side == .server)
    }

    @Test("accepts that failed long ago explain no stall in which nobody waits")
    func acceptsBeforeStall() {
        let verdict = seen {
            $0.stalledSeconds = 6
            $0.serverDescriptors = 20_000
            $0.server.acceptFailures = 3
            $0.server.acceptFailuresNoDescriptor = 3
        }.stop()
        #expect(verdict.wall == .unknown)
    }

    @Test("two kinds of failure of like number have no common cause")
    func mixed() {
        let verdict = seen {
            $0.failed("EMFILE", 600)
            $0.failed("EADDRNOTAVAIL", 401)
            $0.clientDescriptors = 20_000
        }.stop()
        #expect(verdict.wall == .unknown)
        #expect(verdict.proof[1] == "connects failed: 600 with EMFILE, 401 with EADDRNOTAVAIL")
    }

    @Test("two errnos of one resource are one kind")
    func family() {
        let verdict = seen {
            $0.failed("EADDRINUSE", 501)
            $0.failed("EADDRNOTAVAIL", 500)
        }.stop()
        #expect(verdict.wall == .ports)
        #expect(verdict.proof[0] == "501 connects failed with EADDRINUSE")
    }

    @Test(
        "an errno that names no wall is unknown, whatever queue overflowed",
        arguments: ["ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "EPERM", "errno 200"])
    func otherErrno(errno: String) {
        let verdict = seen {
            $0.failed(errno)
            $0.serverOpen = 9_000
            $0.counted(["TcpExtListenOverflows": 500, "TcpExtTCPSynRetrans": 500])
        }.stop()
        #expect(verdict.wall == .unknown)
        #expect(verdict.proof[0].hasPrefix("1,001 connects failed with \(errno)"))
    }

    @Test("connections that broke again used up the tuples: their server says why")
    func brokenAgain() {
        let verdict = seen(.threads) {
            $0.failed("EADDRINUSE", 3)
            $0.clientLosses = ["ECONNRESET": 5_000]
            $0.server.acceptFailures = 5_000
            $0.server.acceptFailuresNoThread = 5_000
            $0.threadsUsed = 32_410
        }.stop()
        #expect(verdict.wall == .processIDs && verdict.side == .server)
        let unexplained = seen {
            $0.failed("EADDRINUSE", 3)
            $0.clientLosses = ["ECONNRESET": 5_000]
        }.stop()
        #expect(unexplained.wall == .unknown)
    }

    @Test("accepts that failed for different reasons have no common cause")
    func mixedAccepts() {
        let verdict = seen {
            $0.stalledSeconds = 6
            $0.serverOpen = 9_000
            $0.serverDescriptors = 20_000
            $0.server.acceptFailures = 100
            $0.server.acceptFailuresNoDescriptor = 60
            $0.server.acceptFailuresNoMemory = 40
        }.stop()
        #expect(verdict.wall == .unknown)
        #expect(
            verdict.proof == [
                "60 accepts failed with EMFILE", "40 accepts failed with ENOMEM",
            ])
    }

    @Test("accepts that failed without a named reason are not the accept queue's doing")
    func unnamedAccepts() {
        let verdict = seen {
            $0.stalledSeconds = 6
            $0.serverOpen = 9_000
            $0.server.acceptFailures = 60
            $0.counted(["TcpExtListenOverflows": 500, "TcpExtTCPSynRetrans": 500])
        }.stop()
        #expect(verdict.wall == .unknown)
        #expect(verdict.proof == ["60 accepts failed with an errno that names no wall"])
    }

    @Test("a verdict says itself in one sentence")
    func sentence() {
        let known = seen { $0.failed("EADDRINUSE") }.stop()
        #expect(
            known.sentence.hasPrefix(
                "the wall is source ports, on the client's side (1,001 connects failed with"))
        #expect(seen { _ in }.stop().sentence.hasPrefix("what stopped it is not known (10,000"))
    }

    @Test("a remedy is a command for as many as were wanted")
    func remedy() {
        let verdict = seen {
            $0.failed("ENOSPC")
            $0.target = 3_000_000
        }.stop(roomyMachine(), plannedWall(1_000_000_000))
        #expect(verdict.wall == .epollWatches)
        #expect(verdict.remedy == "sysctl -w fs.epoll.max_user_watches=6004096")
    }
}
