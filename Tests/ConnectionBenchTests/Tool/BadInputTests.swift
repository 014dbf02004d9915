// Wrong usage and unfit machines: one line with the remedy, and the exit code of the contract.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite struct BadInput {
        /// One command line, and what its error must name.
        struct Wrong: CustomTestStringConvertible, Sendable {
            let arguments: String
            let mentions: [String]

            init(_ arguments: String, _ mentions: String...) {
                self.arguments = arguments
                self.mentions = mentions
            }

            var testDescription: String { arguments }
        }

        static let wrong = [
            Wrong("--backend kqueue", "kqueue", "uring", "epoll", "threads", "auto"),
            Wrong("--conns 0", "0", "allowed is 1 to 100,000,000", "500k"),
            Wrong("--conns -5", "-5", "500k"),
            Wrong("--conns=-5", "-5", "500k"),
            Wrong("--conns 1000000000000", "1000000000000", "allowed is 1 to 100,000,000"),
            Wrong("--conns 99999999999999999999999", "allowed is 1 to 100,000,000"),
            Wrong("--conns abc", "abc", "500k or 1.5M"),
            Wrong("--conns 1,5M", "1,5M", "1.5M"),
            Wrong("--conns 1.5", "1.5", "whole"),
            Wrong("--conns", "--conns"),
            Wrong("--rate 0", "--rate", "allowed is 1 to 100,000,000", "--probe 0"),
            Wrong("--connect-rate 0", "--connect-rate", "allowed is 1"),
            Wrong("--connect-window 0", "--connect-window", "allowed is 1 to 100,000"),
            Wrong("--message 4096", "4,096", "2,048", "--buffer 4096"),
            Wrong("--message 0", "--message", "allowed is 1"),
            Wrong("--message 64-8k", "8,000", "2,048", "--buffer 8000"),
            Wrong("--message 64:x", "64:x", "SIZE:WEIGHT", "64:90,1024:9,16k:1"),
            Wrong("--message 64-", "--message", "allowed is 1 to 1,048,576 bytes"),
            Wrong("--loop round", "round", "open", "closed"),
            Wrong("--arrivals often", "often", "constant", "poisson"),
            Wrong("--active 0", "--active", "more than 0 to 1", "1%"),
            Wrong("--active 101%", "--active", "up to 100%"),
            Wrong("--burst 0", "--burst", "allowed is 1"),
            Wrong("--pipeline 101", "--pipeline", "allowed is 1 to 100"),
            Wrong("--warmup -1", "--warmup", "allowed is 0 to 600 seconds"),
            Wrong("--churn 0", "--churn", "allowed is 1", "500"),
            Wrong("--lifetime 0", "--lifetime", "allowed is 1 to 86,400 seconds"),
            Wrong("--churn 5 --lifetime 5", "--churn", "--lifetime", "one of them"),
            Wrong("--churn-seconds 5", "--churn-seconds", "needs --churn or --lifetime"),
            Wrong("--churn 5 --churn-seconds 0.5", "1 to 3,600", "for example 1.5"),
            Wrong("--conns max --storm", "--storm", "--conns max"),
            Wrong("--conns max --ramp-seconds 9", "--ramp-seconds", "--conns max"),
            Wrong("--ramp-seconds 9 --connect-rate 5", "--ramp-seconds", "one of them"),
            Wrong("--loop closed --rate 5", "--rate", "--loop open"),
            Wrong("--loop closed --burst 5", "--burst", "--loop open"),
            Wrong("--loop closed --arrivals poisson", "--arrivals", "--loop open"),
            Wrong("--server-work 2M", "--server-work", "allowed is 0 to 1,000,000 microseconds"),
            Wrong("--server-stall 1s", "1s", "LENGTH/PERIOD", "100ms/1s"),
            Wrong("--server-stall 2s/1s", "2s/1s", "shorter than the period"),
            Wrong("--buffer 8", "--buffer", "allowed is 16 to 1,048,576"),
            Wrong("--conns 5k --steps 3k,2k", "2,000 follows 3,000", "increasing"),
            Wrong("--conns 5k --steps 6k", "6,000 is above the target", "5,000"),
            Wrong("--conns 5k --steps a,b", "'a' is not a count", "500k"),
            Wrong("--probe -1", "--probe", "allowed is 0 to 3,600 seconds"),
            Wrong("--hold nan", "--hold", "allowed is 0 to 86,400 seconds"),
            Wrong("--workers 0", "--workers", "allowed is 1 to 64"),
            Wrong("--port 70000", "--port", "allowed is 0 to 65,535"),
            Wrong("--port 65535 --workers 2 --conns 10", "--port 65535", "lower"),
            Wrong("--seed x", "--seed", "42"),
            Wrong("--pin here", "here", "none", "spread", "split"),
            Wrong("--mask everything", "everything", "deferTaskRun", "minWait"),
            Wrong("--user nosuchuser", "--user nosuchuser", "no such user", "nobody or 65534"),
            Wrong("--user root", "--user root", "--keep-privileges"),
            Wrong("--user 4294967295", "--user 4294967295", "no such user"),
            Wrong("--user nobody --keep-privileges", "--user", "--keep-privileges", "one of them"),
            Wrong("-o result", "--output result", ".json, .html, .md", ".prom"),
            Wrong("-o a.doc", "--output a.doc", ".hlog, .hgrm or .prom"),
            Wrong("-o a.csv --output a.csv", "a.csv", "same file"),
            Wrong("--json a.json -o a.json", "a.json", "--json writes the same file"),
            Wrong("--json - --stream -", "--json -", "--stream -", "a file"),
            Wrong("--metrics 70000", "--metrics", "allowed is 0 to 65,535"),
            Wrong("doctor --plan x", "--plan", "--help"),
            Wrong("schema everything", "everything", "result", "set"),
            Wrong("--frobnicate", "--frobnicate", "--help"),
            Wrong("run extra", "extra", "--help"),
            Wrong("ports --ports 19", "--ports", "allowed is 20 to 64,512", "16k"),
            Wrong("ports --ports 65k", "--ports", "allowed is 20 to 64,512"),
            Wrong("ports --ports many", "many", "500k"),
            Wrong("ports --seconds 0", "--seconds", "allowed is 1 to 3,600 seconds"),
            Wrong("ports --conns 5", "--conns", "--help"),
            Wrong("doctor --fix-script --json -", "--fix-script", "--json -", "a file"),
            Wrong("doctor --pid 1 --conns 5", "--conns", "--pid", "one of them"),
            Wrong("doctor --pid 1 -b all", "--backend", "--pid", "one of them"),
            Wrong("doctor --pid 1 --fix-script", "--fix-script", "--pid", "one of them"),
            Wrong("--backend uring,kqueue", "'kqueue' is no backend", "uring,epoll", "all"),
            Wrong("--backend epoll,epoll", "'epoll' is named twice"),
            Wrong("--backend auto,epoll", "auto chooses one backend", "all"),
            Wrong("--backend all,epoll", "'all' is no backend"),
            Wrong("--backend ,", "'' is no backend"),
            Wrong("--repeats 0", "--repeats", "allowed is 1 to 1,000"),
            Wrong("--noise 0", "--noise", "allowed is more than 0 to 100 percent"),
            Wrong("--repeats 2 --conns max", "--conns max", "a count that all reach"),
            Wrong("--backend uring,epoll --until-wall", "--until-wall", "a count that all reach"),
            Wrong("--fail-if p99", "'p99' has no comparison", "p99@100k>5ms"),
            Wrong("--fail-if p98>5ms", "'p98' is no figure", "connect-rate", "p99.9"),
            Wrong("--fail-if p99>5", "give a time with its unit", "5ms"),
            Wrong("--fail-if p99@7k>5ms", "7,000 is no step of this run", "1,000; 2,000"),
            Wrong("compare", "base"),
            Wrong("compare /nonexistent a", "/nonexistent", "No such file"),
            Wrong("compare a b --fail-on p99>5ms", "p99>10%", "percent"),
            Wrong("compare a b --confirm 2", "--confirm", "allowed is 4 to 100"),
            Wrong("compare a b --confirm 8 --no-confirm", "--no-confirm", "one of them"),
            Wrong("compare a b --repeats 3", "--repeats is for --run"),
            Wrong("compare a b -- --conns 5", "--conns", "--run"),
            Wrong("compare a b --markdown --json -", "--markdown", "--json -", "a file"),
            Wrong("compare --run a b --force", "--force is for result files"),
            Wrong("compare --run a b -- --json x", "--json", "give it to compare"),
            Wrong("compare --run a b -- --conns 0", "after --", "allowed is 1 to 100,000,000"),
            Wrong("compare --run a b -- --backend all", "after --", "one backend"),
            Wrong("compare --run /nonexistent /tmp", "/nonexistent is no executable"),
            Wrong("soak --for 30", "--for", "'30' is no length of time", "90s, 30m, 2h or 1h30m"),
            Wrong("soak --for 1s", "--for", "allowed is 2 s to 31.0 days", "30m"),
            Wrong("soak --for 10s --every 20s", "--every 20 s", "longer than the soak of 10 s"),
            Wrong("soak --every 5", "--every", "is no length of time"),
            Wrong("soak --churn 2M", "--churn", "allowed is 0 to 1,000,000 connections/s"),
            Wrong("soak --churn 1M --for 744h", "--churn", "10,000,000,000", "a shorter --for"),
            Wrong("soak --close sometimes", "sometimes", "reset", "fin", "mixed"),
            Wrong("soak --max-lag 100", "--max-lag", "is no length of time", "for example"),
            Wrong("soak --backend all", "all", "uring", "epoll", "threads", "auto"),
            Wrong("soak --conns max", "max", "500k or 1.5M"),
            Wrong("soak --message 4k", "4,000", "2,048", "--buffer 4000"),
            Wrong("soak --mask speed", "--mask speed", "deferTaskRun"),
            Wrong("doctor --pid 0", "--pid", "allowed is 1 to 4,194,304"),
        ]

        @Test("wrong usage is said in one line with what is allowed", arguments: wrong)
        func usage(wrong: Wrong) throws {
            let tool = try ToolProcess(wrong.arguments.split(separator: " ").map(String.init))
            #expect(try tool.end() == 64)
            try expectOneLine(tool, mentions: wrong.mentions)
        }

        private func expectOneLine(_ tool: ToolProcess, mentions: [String]) throws {
            let errors = tool.errors
            #expect(errors.hasPrefix("uring-bench: ") && errors.hasSuffix("\n"))
            #expect(errors.filter { $0 == "\n" }.count == 1, "\(errors)")
            for text in mentions { #expect(errors.contains(text), "\(errors)") }
            #expect(tool.output == "")
            #expect(tool.survivors == [])
        }

        @Test(
            "an unwritable result is found before the run",
            arguments: ["/nonexistent/result.json", "/tmp", "/proc/result.json"])
        func unwritable(path: String) throws {
            // So many connections would take longer than the deadline.
            let tool = try ToolProcess([
                "--conns", "50k", "--connect-rate", "100", "--json", path,
            ])
            #expect(try tool.end() == 74)
            try expectOneLine(tool, mentions: ["--json \(path)", "directory"])
        }

        @Test("help and version are answers, not errors", arguments: ["--help", "--version"])
        func help(option: String) throws {
            let tool = try ToolProcess([option])
            #expect(try tool.end() == 0)
            #expect(tool.errors == "" && tool.output.count >= 5)
        }

        @Test("a device as the place of the result is written to and stays one")
        func device() throws {
            let tool = try ToolProcess([
                "--backend", "epoll", "--conns", "20", "--probe", "0", "--hold", "0", "--json",
                "/dev/null",
            ])
            #expect(try tool.end() == 0, "\(tool.errors)")
            var status = stat()
            #expect(stat("/dev/null", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
        }

        @Test("a port in use names the port and the remedy", arguments: BackendKind.tested)
        func portInUse(backend: BackendKind) throws {
            let listener = try TestSocket.listening(on: .loopback(port: 0))
            defer { withExtendedLifetime(listener) {} }
            let port = try listener.local.port
            let file = try ResultPath()
            let tool = try ToolProcess(
                [
                    "--backend", backend.rawValue, "--conns", "10", "--port", "\(port)", "--json",
                    file.path,
                ], isolated: false)
            #expect(try tool.end() == 1)
            try expectOneLine(tool, mentions: ["\(port)", "EADDRINUSE", "another"])
            let result = try file.read()
            #expect(!result.complete && result.stopped?.kind == .machineUnfit)
        }

        @Test("a thread for each of 500,000 connections is refused with numbers")
        func threads() throws {
            let file = try ResultPath()
            let tool = try ToolProcess([
                "--backend", "threads", "--conns", "500000", "--json", file.path,
            ])
            #expect(try tool.end() == 77)
            try expectOneLine(
                tool, mentions: ["threads cannot hold 500,000", "allows", "Remedy", "--until-wall"])
            let result = try file.read()
            #expect(result.stopped?.kind == .wall && result.steps.isEmpty)
            #expect(result.layout == nil, "nothing was started")
        }
    }
}
