// Saved plans: options in a file, one on a line.

import Testing

@testable import ConnectionBench

@Suite struct SavedPlanTests {
    @Test("options, flags, comments and empty lines are read as a person means them")
    func lines() throws {
        let plan = try SavedPlan(
            path: "p.plan",
            text: """
                # A comment.
                --conns 500k

                  --backend=uring   # of all kinds
                --quiet\t
                --sysctl net.ipv4.ip_local_port_range=20000 20199
                --sysctl "net.a=b # c"
                -o out#1.csv
                """)
        #expect(plan.lines.map(\.number) == [2, 4, 5, 6, 7, 8])
        #expect(
            plan.arguments == [
                "--conns", "500k", "--backend=uring", "--quiet", "--sysctl",
                "net.ipv4.ip_local_port_range=20000 20199", "--sysctl", "\"net.a=b", "-o",
                "out#1.csv",
            ])
    }

    @Test("a file whose lines end as on Windows is read as any other")
    func windowsLines() throws {
        let plan = try SavedPlan(path: "p", text: "--conns 5\r\n# note\r\n--steps 1,5\r\n")
        #expect(plan.arguments == ["--conns", "5", "--steps", "1,5"])
        #expect(plan.lines.map(\.number) == [1, 3])
    }

    @Test("a space, a quote and a # are what they are, whatever mark stands behind them")
    func marks() throws {
        func arguments(_ line: String) throws -> [String] {
            try SavedPlan(path: "p", text: line).arguments
        }
        #expect(try arguments("--json\t\u{740}x") == ["--json", "\u{740}x"])
        #expect(try arguments("--json \"\u{740}x\"") == ["--json", "\u{740}x"])
        #expect(try arguments("--quiet #\u{740} note") == ["--quiet"])
    }

    @Test("quotes around a value are taken away")
    func quotes() throws {
        #expect(
            try SavedPlan(path: "p", text: "--sysctl  \"net.a=1 2\" ").arguments
                == ["--sysctl", "net.a=1 2"])
    }

    @Test(
        "a line that is no option is named with its file and number",
        arguments: [
            ("--conns 1k\nconns 5", "p:2: 'conns' is no option"), ("-", "p:1: '-' is no option"),
            ("\n\n--", "p:3: '--' is no option"),
            ("--plan other", "p:1: a plan cannot name another plan"),
            ("--plan=other", "p:1: a plan cannot name another plan"),
        ])
    func wrong(text: String, message: String) {
        #expect {
            try SavedPlan(path: "p", text: text)
        } throws: {
            "\($0)".hasPrefix(message)
        }
    }

    @Test("a file that cannot be read is named with the reason")
    func unreadable() {
        #expect {
            try SavedPlan(path: "/nonexistent/x.plan")
        } throws: {
            "\($0)".contains("/nonexistent/x.plan")
        }
    }
}
