// Drills: the real kernel is pushed where it pushes back, and the engine must end as it promised.
// `Tests/DRILLS.md` lists them all.

import Glibc
import Testing

extension Contract {
    /// Each has a limit of 60 s in its short form, and a scan of the kernel's log after it.
    @Suite(.readsKernelLog, .kernelStaysQuiet, .timeLimit(DrillScale.limit)) struct Drills {}
}

extension Contract.Drills {
    @Suite("the scan of the kernel's log") struct Scan {
        @Test("a fault of the kernel is one, a program's is none")
        func complaints() {
            for message in [
                "BUG: kernel NULL pointer dereference, address: 0000000000000008",
                "kernel BUG at io_uring/io_uring.c:1234!",
                "WARNING: CPU: 1 PID: 99 at io_uring/net.c:700 io_recv+0x1/0x2",
                "Oops: general protection fault, probably for non-canonical address: 0000 [#1]",
                "general protection fault, 0000 [#1] SMP",
                "rcu: INFO: rcu_sched self-detected stall on CPU",
                "INFO: task iou-wrk-7:8 blocked for more than 120 seconds.",
                "watchdog: BUG: soft lockup - CPU#0 stuck for 26s!",
                "refcount_t: underflow; use-after-free.",
            ] {
                #expect(KernelLog.isComplaint(message), "\(message)")
            }
            for message in [
                "traps: test[9] trap invalid opcode ip:7f sp:7f error:0 in libswiftCore.so[2f,7f]",
                "traps: test[9] general protection fault ip:5 sp:7 error:0 in test[5,6]",
                "TCP: request_sock_TCP: Possible SYN flooding on port 127.0.0.1:7000.",
                "Memory cgroup out of memory: Killed process 5 (uring-bench)",
                "device lo entered promiscuous mode",
            ] {
                #expect(!KernelLog.isComplaint(message), "\(message)")
            }
        }

        @Test("a record's message is what stands behind its fields")
        func records() {
            #expect(
                KernelLog.message(of: "4,812,5098,-;WARNING: a; b\n SUBSYSTEM=net\n")
                    == "WARNING: a; b")
        }

        @Test("what is logged from now on is read, once", .enabled(if: geteuid() == 0))
        func position() throws {
            let marker = "connection-engine: a drill of \(getpid()) was here"
            func log(_ text: String) throws {
                let fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC)
                defer { close(fd) }
                // Without its end a line might be continued, and is not given out.
                let line = text + "\n"
                try #require(write(fd, line, line.utf8.count) == line.utf8.count)
            }
            try log(marker + " before")
            let reader = try KernelLog()
            try log(marker)
            #expect(try reader.newMessages().filter { $0.hasPrefix(marker) } == [marker])
            #expect(try reader.newMessages().filter { $0.hasPrefix(marker) } == [])
        }
    }
}
