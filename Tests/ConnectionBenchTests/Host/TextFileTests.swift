// Reading the kernel's text files.

import Glibc
import Testing

@testable import ConnectionBench

@Suite struct TextFileTests {
    @Test("a file larger than one chunk is read whole")
    func largeFile() throws {
        let content = String(repeating: "0123456789abcdef\n", count: 6_000)
        let directory = try FixtureDirectory(["/large": content])
        #expect(try TextFile.read("\(directory.path)/large") == content)
    }

    @Test("an empty file is an empty text")
    func emptyFile() throws {
        let directory = try FixtureDirectory(["/empty": ""])
        #expect(try TextFile.read("\(directory.path)/empty").isEmpty)
    }

    @Test("the head of a file ends with the first line that is not wanted")
    func head() throws {
        let long = String(repeating: "x", count: 40_000)
        let directory = try FixtureDirectory(["/lines": "a\n\(long)\nb\nend\nc\nd"])
        let path = "\(directory.path)/lines"
        #expect(try TextFile.readHead(path) { $0 != "end" } == "a\n\(long)\nb\nend\n")
        #expect(try TextFile.readHead(path) { _ in true } == TextFile.read(path))
    }

    @Test("every line is handed out once, also one that is longer than a chunk")
    func lines() throws {
        let long = String(repeating: "x", count: 40_000)
        let content = "a\n\n\(long)\nb\n" + String(repeating: "0123456789\n", count: 9_000) + "end"
        let directory = try FixtureDirectory(["/lines": content, "/empty": "", "/ends": "a\n"])
        func lines(_ name: String) throws -> [String] {
            var lines: [String] = []
            try TextFile.forEachLine(directory.path + name) {
                lines.append(String(decoding: $0, as: UTF8.self))
            }
            return lines
        }
        let expected = content.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(try lines("/lines") == expected.map(String.init))
        #expect(try lines("/empty") == [])
        #expect(try lines("/ends") == ["a"])
    }

    @Test("a missing file is an error with its path and errno")
    func missingFile() {
        let error = #expect(throws: FileError.self) { try TextFile.read("/proc/no-such-file") }
        #expect(error == FileError(path: "/proc/no-such-file", errno: ENOENT))
        #expect(error?.isMissing == true)
        #expect(
            error?.description == "/proc/no-such-file: No such file or directory (errno 2)")
    }

    @Test("a directory cannot be read as a file, and is not called missing")
    func directoryAsFile() {
        let error = #expect(throws: FileError.self) { try TextFile.read("/proc") }
        #expect(error == FileError(path: "/proc", errno: EISDIR))
        #expect(error?.isMissing == false)
    }

    @Test("the names of a directory come without the dots")
    func directoryNames() throws {
        let directory = try FixtureDirectory(["/a": "", "/b/c": ""])
        #expect(try TextFile.names(in: directory.path).sorted() == ["a", "b"])
        #expect(throws: FileError(path: "/no-such", errno: ENOENT)) {
            try TextFile.names(in: "/no-such")
        }
    }

    @Test("a key is matched whole, at the start of its line")
    func keyedLines() throws {
        let lines = KeyedLines("Xa: 1\nab: 2 kB\na: 3\nmodel name\t: CPU 1 \nlast: 4", path: "p")
        #expect(lines["a"] == "3")
        #expect(lines["model name"] == "CPU 1")
        #expect(try lines.kibibytes("ab") == 2_048)
        #expect(try lines.integer("last") == 4)
        #expect(lines["model"] == nil)
    }

    @Test("a number that is missing or malformed is an error that names it")
    func malformedNumbers() {
        let lines = KeyedLines("a: many kB\nb: 3 MB\nc:", path: "/proc/x")
        #expect(throws: FileError(path: "/proc/x", expected: "a line 'a: <number> kB'")) {
            try lines.kibibytes("a")
        }
        #expect(throws: FileError.self) { try lines.kibibytes("b") }
        #expect(throws: FileError.self) { try lines.integer("c") }
        #expect(throws: FileError.self) { try lines.integer("d") }
    }
}
