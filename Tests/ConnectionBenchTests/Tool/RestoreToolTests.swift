// `uring-bench restore` on this machine, with a /run of its own that the real one never sees.

import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite struct Restore {
        static let isAllowed = IsolatedScript.isAllowed

        /// Runs `script` in which `$tool` is the tool; standard output and errors together.
        private func run(_ script: String) throws -> (code: Int32, said: String) {
            let journal = #"""
                # Writes what a run of process $1, started at $2, would have left.
                journal() {
                    mkdir -m 700 -p /run/uring-bench
                    {
                        printf '{"process":{"pid":%s,"startTicks":%s},' "$1" "$2"
                        printf '"command":"test",'
                        printf '"bootID":"%s",' "$(cat /proc/sys/kernel/random/boot_id)"
                        printf '"networkNamespace":"%s",' "$(readlink /proc/self/ns/net)"
                        printf '"processNamespace":"%s"}\n' "$(readlink /proc/self/ns/pid)"
                        printf '{"name":"net.ipv4.ip_local_port_range","old":"32768 60999",'
                        printf '"new":"20000 60000"}\n'
                    } >"/run/uring-bench/$1.journal"
                }
                """#
            return try IsolatedScript.run("\(journal)\n\(script)")
        }

        @Test("without a journal it says so and succeeds", .enabled(if: isAllowed))
        func nothing() throws {
            let (code, said) = try run("$tool restore")
            #expect(code == 0 && said == "nothing to restore\n", "\(said)")
        }

        @Test(
            "a value of the kernel is put back after its process is gone", .enabled(if: isAllowed))
        func restores() throws {
            let (code, said) = try run(
                """
                sleep 0 & pid=$!; wait
                journal $pid 1
                echo 20000 60000 >$range
                $tool restore || exit
                cat $range
                ls /run/uring-bench
                """)
            #expect(code == 0)
            #expect(
                said == """
                    net.ipv4.ip_local_port_range: restored 32768 60999 (was 20000 60000)
                    32768\t60999

                    """)
        }

        @Test("the values of a process that runs are left to it", .enabled(if: isAllowed))
        func alive() throws {
            let (code, said) = try run(
                """
                journal $$ $(sed 's/.*) //' /proc/$$/stat | cut -d ' ' -f 20)
                echo 20000 60000 >$range
                $tool restore || exit
                cat $range
                """)
            #expect(code == 0 && said.contains("still runs") && said.hasSuffix("20000\t60000\n"))
        }

        @Test("without privilege the error names the directory and root", .enabled(if: isAllowed))
        func unprivileged() throws {
            let (code, said) = try run(
                """
                mkdir -m 700 /run/uring-bench
                cp $tool /run/tool
                setpriv --reuid=65534 --regid=65534 --clear-groups /run/tool restore
                """)
            #expect(code == 1)
            #expect(
                said == "uring-bench: restore: /run/uring-bench is root's: run it as root "
                    + "(sudo uring-bench …)\n", "\(said)")
        }
    }
}
