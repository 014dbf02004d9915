// Saved plans, completions and the version, as a person at a shell has them.

import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    @Suite struct Plans {
        private func plan(_ text: String) throws -> (folder: FixtureDirectory, path: String) {
            let folder = try FixtureDirectory(["/a.plan": text])
            return (folder, folder.path + "/a.plan")
        }

        @Test("a plan's options hold, and those of the command line override them")
        func override() throws {
            let (folder, path) = try plan(
                """
                # Small and short.
                --backend epoll
                --conns 5k      # too many for this test
                --probe 0
                --hold 0
                --seed 7
                """)
            defer { withExtendedLifetime(folder) {} }
            let tool = try ToolProcess(["--plan", path, "--conns", "60", "--json", "-"])
            #expect(try tool.end() == 0, "\(tool.errors)")
            let result = try tool.result()
            #expect(result.plan.backend == .epoll && result.plan.connections == 60)
            #expect(result.plan.probeSeconds == 0 && result.plan.seed == 7)
            // What was typed, and no more.
            #expect(
                result.commandLine.dropFirst()
                    == ["--plan", path, "--conns", "60", "--json", "-"])
        }

        struct Wrong: CustomTestStringConvertible, Sendable {
            let text: String
            let line: Int
            let mentions: [String]

            var testDescription: String { text }
        }

        static let wrong = [
            Wrong(text: "--conns 1k\nconns 5", line: 2, mentions: ["'conns' is no option"]),
            Wrong(text: "\n--conns zero", line: 2, mentions: ["zero", "500k"]),
            Wrong(text: "--frobnicate", line: 1, mentions: ["--frobnicate"]),
            Wrong(text: "--quiet\n\n--rate 0", line: 3, mentions: ["--rate", "allowed is"]),
            Wrong(text: "--plan x", line: 1, mentions: ["another plan"]),
            Wrong(text: "-o x.doc", line: 1, mentions: ["x.doc", ".csv"]),
        ]

        @Test("what is wrong in a plan is named with its file and line", arguments: wrong)
        func blamed(wrong: Wrong) throws {
            let (folder, path) = try plan(wrong.text)
            defer { withExtendedLifetime(folder) {} }
            let tool = try ToolProcess(["run", "--plan=\(path)"])
            #expect(try tool.end() == 64)
            #expect(tool.errors.hasPrefix("uring-bench: --plan: \(path):\(wrong.line): "))
            #expect(tool.errors.filter { $0 == "\n" }.count == 1)
            for text in wrong.mentions { #expect(tool.errors.contains(text), "\(tool.errors)") }
        }

        @Test("what is wrong on the command line is not blamed on the plan")
        func innocent() throws {
            let (folder, path) = try plan("--backend epoll")
            defer { withExtendedLifetime(folder) {} }
            let tool = try ToolProcess(["--plan", path, "--conns", "zero"])
            #expect(try tool.end() == 64)
            #expect(!tool.errors.contains(path) && tool.errors.contains("zero"))
        }

        @Test("a plan that is not there is named, and a second one refused")
        func missing() throws {
            let tool = try ToolProcess(["--plan", "/nonexistent/a.plan"])
            #expect(try tool.end() == 64)
            #expect(tool.errors.contains("/nonexistent/a.plan"))
            let two = try ToolProcess(["--plan", "/dev/null", "--plan", "/dev/null"])
            #expect(try two.end() == 64)
            #expect(two.errors.contains("give one plan"))
        }

        @Test("the committed plans are plans", arguments: ["quick", "scale", "regression"])
        func committed(name: String) throws {
            let plan = try SavedPlan(path: "\(Python.checkout)/Benchmarks/Plans/\(name).plan")
            #expect(!plan.lines.isEmpty)
            // So that only the check of the options is run.
            let tool = try ToolProcess(["--plan", plan.path, "--port", "70000"])
            #expect(try tool.end() == 64)
            #expect(tool.errors.contains("--port") && !tool.errors.contains(".plan:"))
        }

        @Test("bash completes the backends, the other choices and the files of a plan")
        func completion() throws {
            let program = """
                source <("$0" --generate-completion-script bash)
                complete_line() {
                    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
                    COMPREPLY=(); _uring-bench "$1" "${@: -1}" "${@: -2:1}"; echo "${COMPREPLY[@]}"
                }
                complete_line uring-bench run --backend ''
                complete_line uring-bench run --backend ep
                complete_line uring-bench run --idle ''
                complete_line uring-bench do
                """
            let folder = try FixtureDirectory(["/out": "", "/err": ""])
            let pid = try Subprocess.spawn(
                ["bash", "-c", program, ToolProcess.path], output: folder.path + "/out",
                errors: folder.path + "/err")
            waitpid(pid, nil, 0)
            let lines = try TextFile.read(folder.path + "/out").split(separator: "\n")
            let errors = try TextFile.read(folder.path + "/err")
            #expect(lines.count == 4, "\(errors)")
            #expect(
                lines.map { Set($0.split(separator: " ").map(String.init)) } == [
                    ["uring", "epoll", "threads", "auto", "all"], ["epoll"],
                    ["adaptive", "poll", "receive"], ["doctor"],
                ])
        }

        @Test("there is a script for each shell", arguments: ["bash", "zsh", "fish"])
        func scripts(shell: String) throws {
            let tool = try ToolProcess(["--generate-completion-script", shell])
            #expect(try tool.end() == 0)
            for word in ["uring", "stream", "doctor"] { #expect(tool.output.contains(word)) }
            #expect(tool.errors == "")
        }

        @Test("the version names the mode, the commit and the compiler")
        func version() throws {
            let tool = try ToolProcess(["--version"])
            #expect(try tool.end() == 0)
            #expect(
                tool.output.contains(
                    /^uring-bench \d+\.\d+\.\d+ \((debug|release), (checkout at [0-9a-f]{10}|commit unknown), Swift .*\)\n$/
                ), "\(tool.output)")
        }

        @Test("a copy outside of its checkout knows no commit, whatever lies around it")
        func copied() throws {
            let folder = try FixtureDirectory([
                "/.git/HEAD": String(repeating: "1", count: 40) + "\n", "/uring-bench": "",
            ])
            let copy = folder.path + "/uring-bench"
            #expect(try Subprocess.run(["cp", ToolProcess.path, copy]) == 0)
            chmod(copy, 0o755)
            let tool = try ToolProcess(["--version"], path: copy)
            #expect(try tool.end() == 0)
            #expect(tool.output.contains("commit unknown"), "\(tool.output)")
        }
    }
}
