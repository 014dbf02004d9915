// The fix script, run by a shell against a made-up machine.

import Glibc
import Testing

@testable import ConnectionBench

@Suite struct FixScriptTests {
    private let changes = [
        HostChange(
            name: "fs.nr_open", present: "1048576", wanted: "2000000",
            reason: "One process can have at most 1,048,576 files open; 1,500,000 are needed."),
        HostChange(
            name: "net.ipv4.ip_local_port_range", present: "32768\t60999", wanted: "1024 65535",
            reason: "Too few ports $(touch /tmp/x) `id`\n rm -rf \"it's\" # a trap",
            origin: "/proc/sys/net/ipv4/ip_local_port_range"),
    ]

    private func machine() throws -> MadeUpHost {
        try MadeUpHost([
            "fs.nr_open": "1048576", "net.ipv4.ip_local_port_range": "32768\t60999",
        ])
    }

    /// Runs the script; standard output and errors together.
    private func run(
        _ script: FixScript, _ arguments: [String], on host: MadeUpHost
    ) throws -> (code: Int32, said: String) {
        try host.add("/fix.sh", script.text)
        try host.add("/said", "")
        let command = ["sh", "-c", "exec sh \"$0\" \"$@\" >\(host.root)/said 2>&1"]
        let code = try Subprocess.run(command + [host.root + "/fix.sh"] + arguments)
        return (code, try TextFile.read(host.root + "/said"))
    }

    @Test("apply raises, revert puts back, and both may be repeated")
    func bothWays() throws {
        let host = try machine()
        let script = try FixScript(changes: changes, root: host.root)
        for word in ["raised", "already"] {
            let (code, said) = try run(script, ["apply"], on: host)
            #expect(code == 0 && said.contains("fs.nr_open") && said.contains(word), "\(said)")
            #expect(try host.get("fs.nr_open") == "2000000")
            #expect(try host.get("net.ipv4.ip_local_port_range") == "1024 65535")
        }
        for word in ["put back", "already"] {
            let (code, said) = try run(script, ["revert"], on: host)
            let lines = said.split(separator: "\n")
            #expect(code == 0 && lines.count == 2 && said.contains(word), "\(said)")
            #expect(lines.first?.hasPrefix("net.") == true, "the last first")
            #expect(try host.get("fs.nr_open") == "1048576")
            #expect(try host.get("net.ipv4.ip_local_port_range") == "32768 60999")
        }
    }

    @Test("apply changes nothing when one value is not the expected one")
    func staleApply() throws {
        let host = try machine()
        try host.set("net.ipv4.ip_local_port_range", "2000 65000")
        let script = try FixScript(changes: changes, root: host.root)
        let (code, said) = try run(script, ["apply"], on: host)
        #expect(code == 1 && said.contains("'2000 65000'") && said.contains("nothing was changed"))
        #expect(try host.get("fs.nr_open") == "1048576")
    }

    @Test("revert leaves a value that someone changed, and puts the others back")
    func revertRefuses() throws {
        let host = try machine()
        let script = try FixScript(changes: changes, root: host.root)
        #expect(try run(script, ["apply"], on: host).code == 0)
        try host.set("fs.nr_open", "3000000")
        let (code, said) = try run(script, ["revert"], on: host)
        #expect(code == 1 && said.contains("neither '1048576' nor '2000000'"), "\(said)")
        #expect(try host.get("fs.nr_open") == "3000000")
        #expect(try host.get("net.ipv4.ip_local_port_range") == "32768 60999")
    }

    @Test("fs.nr_open does not go back below a limit that logins are given")
    func lockOut() throws {
        let host = try machine()
        let script = try FixScript(changes: changes, root: host.root)
        #expect(try run(script, ["apply"], on: host).code == 0)
        try host.add("/etc/security/limits.d/90.conf", "# x hard nofile 9999999\n")
        try host.add("/etc/security/limits.conf", "* hard nofile 1500000\n")
        let (code, said) = try run(script, ["revert"], on: host)
        #expect(code == 1 && said.contains("lock users out: * hard nofile 1500000"), "\(said)")
        #expect(try host.get("fs.nr_open") == "2000000")
    }

    @Test("a value that cannot be read or written is said, not passed over")
    func unwritable() throws {
        let host = try machine()
        unlink(host.root + "/proc/sys/fs/nr_open")
        let script = try FixScript(changes: changes, root: host.root)
        #expect(try run(script, ["apply"], on: host).code == 1)
        #expect(try run(script, ["revert"], on: host).code == 1)
    }

    @Test("without a word it says how it is used, and nothing is changed")
    func usage() throws {
        let host = try machine()
        let script = try FixScript(changes: changes, root: host.root)
        for arguments in [[], ["frobnicate"]] {
            let (code, said) = try run(script, arguments, on: host)
            #expect(code == 64 && said.contains("apply | revert"))
        }
        #expect(try host.get("fs.nr_open") == "1048576")
    }

    @Test(
        "for the real machine it needs root",
        .enabled(if: (try? Subprocess.run(["setpriv", "--reuid=65534", "true"])) == 0))
    func needsRoot() throws {
        let host = try machine()
        // Neither value is ever present, so even as root nothing would be written.
        let change = HostChange(
            name: "kernel.pid_max", present: "1", wanted: "2", reason: "Never to be written.")
        try host.add("/fix.sh", FixScript(changes: [change]).text)
        try host.add("/said", "")
        chmod(host.root, 0o755)
        let code = try Subprocess.run([
            "sh", "-c",
            "exec setpriv --reuid=65534 sh \(host.root)/fix.sh apply >\(host.root)/said 2>&1",
        ])
        let said = try TextFile.read(host.root + "/said")
        #expect(code == 1 && said == "fix.sh: needs root: sudo sh fix.sh apply\n")
    }

    @Test("the text is a script without errors, with the reasons and the warning")
    func text() throws {
        let host = try machine()
        let files = FixScript.OpenFiles(
            wanted: 1_500_000, perProcessMax: 2_000_000, user: "web",
            reason: "1,499,936 connections and 64 other files.")
        let script = try FixScript(changes: changes, openFiles: files)
        try host.add("/fix.sh", script.text)
        #expect(try Subprocess.run(["sh", "-n", host.root + "/fix.sh"]) == 0)
        #expect(script.text.contains("LOCKED OUT"))
        #expect(script.text.contains("#   web hard nofile 1500000\n"))
        #expect(script.text.contains("#   LimitNOFILE=1500000\n"))
        #expect(script.text.contains("# Too few ports $(touch /tmp/x)"))
    }

    @Test("no lines are given for a limit of open files above fs.nr_open")
    func aboveMax() throws {
        let files = FixScript.OpenFiles(wanted: 2_000_000, perProcessMax: 1_048_576, reason: "x")
        let text = try FixScript(changes: [], openFiles: files).text
        #expect(!text.contains("LimitNOFILE") && !text.contains("hard nofile 2"))
        #expect(text.contains("above fs.nr_open (1048576)"))
    }

    @Test("what lowers a value, or is no number, is refused")
    func lowering() throws {
        for (present, wanted) in [("2", "1"), ("2", "2"), ("cubic", "bbr"), ("1", "$(id)")] {
            let change = HostChange(
                name: "a.b", present: present, wanted: wanted, reason: "none")
            #expect(throws: FixScriptError.notARaise(change)) { try FixScript(changes: [change]) }
        }
        #expect(throws: FixScriptError.badName("a;b")) {
            try FixScript(
                changes: [HostChange(name: "a;b", present: "1", wanted: "2", reason: "none")])
        }
    }
}
