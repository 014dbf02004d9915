// Which results are comparable, and the commands that made them.

import ConnectionEngine
import FoundationEssentials
import Glibc
import Testing

@testable import ConnectionBench

@Suite struct EnvironmentTests {
    private func differences(_ change: (inout RunResult) -> Void) -> [String] {
        let base = MadeUpRuns.run()
        var new = base
        change(&new)
        return Environment(base).differences(to: Environment(new)).map(\.name)
    }

    @Test("what may differ on purpose does not count")
    func onPurpose() {
        let names = differences {
            $0.tool.commit = "abc"
            $0.tool.compiler = "another"
            $0.tool.executable = ExecutableIdentity.ofThisProcess()
            $0.plan.seed = 99
            $0.plan.port = 7_000
            $0.plan.memoryFloorBytes = 5
            $0.host.systemFilesUsed = 12_345
            $0.host.memoryTotalBytes = (24 << 30) + 4_096
            $0.startedAt = "later"
        }
        #expect(names == [])
    }

    @Test("machine, limits, mitigations, tool and plan count")
    func counting() {
        #expect(differences { $0.host.kernelRelease = "6.1" } == ["kernel"])
        #expect(differences { $0.host.processorsOnline = 4 } == ["CPUs online"])
        #expect(differences { $0.host.memoryTotalBytes = 16 << 30 } == ["memory"])
        #expect(differences { $0.host.vulnerabilities?["mds"] = "Vulnerable" } == ["mitigations"])
        #expect(differences { $0.host.openFilesHard = .at(20_000) } == ["open files, hard limit"])
        #expect(
            differences { $0.host.frequencyGovernor = "powersave" } == ["CPU frequency governor"])
        #expect(differences { $0.tool.buildMode = "debug" } == ["build mode"])
        #expect(differences { $0.layout?.backend = .epoll } == ["backend"])
        #expect(differences { $0.layout?.workersPerProcess = 1 } == ["workers per process"])
        #expect(differences { $0.plan.holdSeconds = 9 } == ["plan: holdSeconds"])
    }

    @Test("a fact that one side lacks is named, and what is offered is told apart from the rest")
    func load() {
        let base = MadeUpRuns.run()
        var new = base
        new.plan.requestsPerSecond = 20_000
        new.plan.connectsPerSecond = 500
        let unlike = Environment(base).differences(to: Environment(new))
        #expect(
            unlike == [
                UnlikeFact(
                    name: "plan: requestsPerSecond", base: "10,000", new: "20,000", isLoad: true),
                UnlikeFact(name: "plan: connectsPerSecond", base: "not given", new: "500"),
            ])
    }

    @Test("a command is made again without its outputs, its backend and its seed")
    func again() {
        let made = [
            "bin/uring-bench", "run", "--conns", "1k", "--json", "a.json", "-o", "b.html",
            "--backend=all", "--probe", "0.3", "--repeats", "5", "--fail-if", "p99>5ms", "--quiet",
            "--no-sweep", "--seed", "4", "--json=c.json",
        ]
        #expect(RunOptions.again(made) == ["--conns", "1k", "--probe", "0.3", "--no-sweep"])
        #expect(RunOptions.again(["uring-bench", "--hold", "0"]) == ["--hold", "0"])
        #expect(RunOptions.clash(in: ["--conns", "1k", "--json", "x"]) == "--json")
        #expect(RunOptions.clash(in: ["--backend", "epoll", "--seed", "3"]) == nil)
    }

    @Test("an executable that has changed, is gone, or belongs to everybody is not started again")
    func executable() throws {
        let folder = try FixtureDirectory(["/tool": "#!/bin/sh\n"])
        let path = folder.path + "/tool"
        chmod(path, 0o755)
        let identity = try #require(ExecutableIdentity(path: path))
        #expect(identity.obstacle() == nil)
        chmod(path, 0o777)
        #expect(identity.obstacle() == "\(path) can be written by everybody")
        chmod(path, 0o644)
        #expect(identity.obstacle() == "\(path) cannot be executed")
        let fd = open(path, O_WRONLY | O_APPEND)
        _ = write(fd, "#", 1)
        close(fd)
        #expect(identity.obstacle() == "\(path) has changed since")
        unlink(path)
        #expect(identity.obstacle() == "\(path) is not there any more")
        #expect(ExecutableIdentity(path: folder.path) == nil)
    }

    @Test("groups of the same backend are compared, and single ones whatever they are")
    func pairs() {
        func side(_ label: String, _ backends: BackendKind...) -> ComparedSide {
            ComparedSide(
                label: label,
                groups: backends.map {
                    RunGroup(name: $0.rawValue, results: [MadeUpRuns.run(backend: $0)])
                })
        }
        let several = ComparedPair.pairs(side("a", .uring, .epoll), side("b", .epoll, .threads))
        #expect(several.map(\.base.name) == ["a (epoll)"] && several[0].new.name == "b (epoll)")
        let single = ComparedPair.pairs(side("a", .uring), side("b", .epoll))
        #expect(
            single.map(\.unlike) == [[UnlikeFact(name: "backend", base: "uring", new: "epoll")]])
        #expect(ComparedPair.pairs(side("a", .uring), side("b", .epoll, .threads)).isEmpty)
    }

    @Test("files that are no results say what they are")
    func files() throws {
        let folder = try FixtureDirectory([
            "/text": "hello", "/other.json": "{\"schema\": \"uring-bench.doctor\"}",
            "/old.json": "{\"schema\": \"uring-bench.result\", \"schemaVersion\": \"0.1\"}",
        ])
        func message(_ name: String) -> String {
            do {
                _ = try ComparedSide(reading: folder.path + name)
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(message("/text").contains("is no JSON object: name a file written by"))
        #expect(message("/other.json").contains("its schema is uring-bench.doctor"))
        #expect(message("/old.json").contains("schema version 0.1"))
        #expect(message("/none.json").contains("No such file"))
    }

    @Test("a result survives its file, figures without meaning included")
    func roundTrip() throws {
        var run = MadeUpRuns.run()
        run.samplerShare = .infinity
        let encoder = JSONEncoder()
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        let text = String(decoding: try encoder.encode(run), as: UTF8.self)
        let folder = try FixtureDirectory(["/a.json": text, "/b.json": text])
        let side = try ComparedSide(reading: "\(folder.path)/a.json,\(folder.path)/b.json")
        #expect(side.groups.map(\.runs.count) == [2] && side.groups[0].name == "uring")
        #expect(side.label == "\(folder.path)/a.json and 1 more")
        #expect(side.unlikeWithin() == [])
    }
}
