// `run --apply` with a real value of the kernel: the port range of a network of the test's own.

import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite struct Apply {
        static let isAllowed = IsolatedScript.isAllowed

        /// `run 300` is a run that 20 ports are too few for; `$file` is where a result may go.
        private func run(_ script: String, file: String = "-") throws -> (code: Int32, said: String)
        {
            try IsolatedScript.run(
                """
                echo 60000 60019 >$range
                file=\(file)
                run() {
                    connections=$1
                    shift
                    $tool --ports kernel --backend epoll --workers 1 --conns $connections \\
                        --probe 0 --hold 0 "$@"
                }
                # Begins one that holds its connections, and waits until it does.
                begin() {
                    run 300 --apply --hold 600 --json $file >/run/out 2>/run/err &
                    pid=$!
                    waits=0
                    until grep -q 'echoed on all' /run/err; do
                        waits=$((waits + 1))
                        # Generous: it only ends a test that hangs.
                        [ -d /proc/$pid ] && [ $waits -lt 1200 ] || { cat /run/err; exit 98; }
                        sleep 0.05
                    done
                    # The function's shell has the tool as its only child.
                    own=$(tr -d ' ' </proc/$pid/task/$pid/children)
                    trap 'kill -9 $own 2>/dev/null' EXIT
                }
                \(script)
                """)
        }

        @Test("without it nothing is written", .enabled(if: isAllowed))
        func without() throws {
            let (code, said) = try run("run 300; echo $?; cat $range; ls /run")
            #expect(code == 0 && said.hasSuffix("\n77\n60000\t60019\n"), "\(said)")
            #expect(said.contains("Remedy: sysctl -w net.ipv4.ip_local_port_range=\"60000 60364\""))
        }

        @Test(
            "a value in the way is raised, told, and put back at the end", .enabled(if: isAllowed))
        func raises() throws {
            let file = try ResultPath()
            let (code, said) = try run(
                "run 300 --apply --json $file >/dev/null || exit; cat $range; ls /run/uring-bench",
                file: file.path)
            #expect(code == 0, "\(said)")
            #expect(
                said.contains(
                    "raised net.ipv4.ip_local_port_range from 60000 60019 to 60000 60364, until"
                        + " the end of this run: epoll ends at 19 of 300 connections: source ports")
            )
            #expect(
                said.hasSuffix(
                    "net.ipv4.ip_local_port_range: restored 60000 60019 (was 60000 60364)\n"
                        + "60000\t60019\n"), "\(said)")
            let result = try file.read()
            #expect(result.complete && result.steps.last?.connections == 300)
            let change = try #require(result.appliedChanges.first)
            #expect(result.appliedChanges.count == 1)
            #expect(change.name == "net.ipv4.ip_local_port_range" && !change.isPrivate)
            #expect(change.old == "60000 60019" && change.new == "60000 60364")
            #expect(change.outcome == "restored")
            // The prediction is that of the machine as it was then.
            #expect(result.host.localPortLast == 60_364)
        }

        @Test("it is put back after a signal and after a failure", .enabled(if: isAllowed))
        func early() throws {
            let file = try ResultPath()
            let (code, said) = try run(
                """
                begin
                cat $range
                kill -TERM $own; wait $pid; echo $?
                cat $range
                begin
                # A server of the run.
                kill -9 $(cut -d ' ' -f 1 /proc/$own/task/$own/children); wait $pid; echo $?
                cat $range
                ls /run/uring-bench
                """, file: file.path)
            #expect(code == 0)
            let range = "60000\t60019\n"
            #expect(said == "60000\t60364\n143\n\(range)1\n\(range)", "\(said)")
            #expect(try file.read().appliedChanges.map(\.outcome) == ["restored"])
        }

        @Test(
            "while a run has changed values another one refuses, and after a kill it says how to mend",
            .enabled(if: isAllowed))
        func killed() throws {
            let (code, said) = try run(
                """
                begin
                run 3000 --apply >/dev/null; echo $?
                kill -9 $own; wait $pid
                cat $range
                run 3000 --apply >/dev/null; echo $?
                echo "pid $own"
                $tool restore || exit
                cat $range
                ls /run/uring-bench
                """)
            let lines = said.split(separator: "\n").filter { !$0.contains("Killed") }
            try #require(code == 0 && lines.count == 8, "\(said)")
            let pid = lines[5].dropFirst("pid ".count)
            #expect(
                lines[0] == "uring-bench: --apply: process \(pid) (uring-bench) has changed sysctl "
                    + "values and will put them back when it ends: wait for it, since two at once "
                    + "would undo each other's")
            #expect(lines[1] == "1" && lines[2] == "60000\t60364")
            #expect(lines[3].hasSuffix("run 'uring-bench restore' first") && lines[4] == "1")
            #expect(
                lines[6] == "net.ipv4.ip_local_port_range: restored 60000 60019 (was 60000 60364)")
            #expect(lines[7] == "60000\t60019")
        }

        @Test("where another wall is nearer nothing is written", .enabled(if: isAllowed))
        func unreachable() throws {
            let (code, said) = try run("run 64512 --apply; echo $?; cat $range; ls /run")
            #expect(code == 0 && said.hasSuffix("\n77\n60000\t60019\n"), "\(said)")
            #expect(said.contains("--apply raises sysctls only, and has changed nothing"))
        }

        @Test("the run's own network is changed instead of the host's", .enabled(if: isAllowed))
        func ownNetwork() throws {
            let file = try ResultPath()
            let (code, said) = try run(
                """
                run 300 --apply --netns loopback --sysctl net.ipv4.ip_local_port_range="50000 50009" \\
                    --json $file >/dev/null || exit
                cat $range
                ls /run
                """, file: file.path)
            #expect(code == 0 && said.hasSuffix("\n60000\t60019\n"), "\(said)")
            #expect(!said.contains("restored"))
            let change = try #require(try file.read().appliedChanges.first)
            #expect(change.isPrivate && change.outcome == nil)
            #expect(change.old == "50000 50009" && change.new == "50000 50364")
        }

        @Test("without privilege it says what to do", .enabled(if: isAllowed))
        func unprivileged() throws {
            let (code, said) = try run(
                """
                chmod 755 /run
                cp $tool /run/tool
                tool='setpriv --reuid=65534 --regid=65534 --clear-groups /run/tool'
                run 300 --apply
                """)
            #expect(code == 1)
            #expect(
                said == "uring-bench: --apply: /run/uring-bench is root's: run it as root "
                    + "(sudo uring-bench …); or have an administrator set "
                    + "net.ipv4.ip_local_port_range=\"60000 60364\"\n", "\(said)")
        }
    }
}
