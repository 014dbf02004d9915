// Every input that a fuzzer has found, or that began its corpus, again; without libFuzzer and its build.
//
// `Targets` is a link to the targets themselves. A promise that is broken ends the process, after a
// line with the promise; `make fuzz-replay` names the input.

import Glibc
import Testing

@testable import ConnectionBench

@Suite struct FuzzReplayTests {
    /// Tests/Fuzz, from the place of this file.
    private static let folder =
        #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 } + "/Fuzz"

    private static func inputs(of target: FuzzTarget) throws -> [[UInt8]] {
        var inputs: [[UInt8]] = []
        for kind in ["Corpus", "Crashes"] {
            let path = "\(folder)/\(kind)/\(target.name)"
            guard TextFile.exists(path) else { continue }
            for name in try TextFile.names(in: path).sorted() {
                let file = try #require(fopen("\(path)/\(name)", "r"), "\(path)/\(name)")
                defer { fclose(file) }
                var bytes = [UInt8](repeating: 0, count: 1 << 20)
                let count = fread(&bytes, 1, bytes.count, file)
                try #require(count < bytes.count, "\(name) is too large for a corpus")
                inputs.append(Array(bytes[..<count]))
            }
        }
        return inputs
    }

    @Test("every input of the corpus keeps the parser's promises", arguments: FuzzTarget.library)
    func replay(target: FuzzTarget) throws {
        let inputs = try Self.inputs(of: target)
        #expect(inputs.count > 1, "a corpus for \(target)")
        for input in inputs { target.run(input) }
    }

    @Test("no two targets share a corpus")
    func names() {
        #expect(Set(FuzzTarget.library.map(\.name)).count == FuzzTarget.library.count)
    }
}
