// Drill 34: no room for the result.

import Testing

@testable import ConnectionBench

extension ToolTests.ToolDrills {
    @Suite(
        "34: a disk that is full when the result is written", .enabled(if: IsolatedScript.isAllowed)
    )
    struct DiskFull {
        private static let run =
            "$tool -b epoll -n 200 --probe 0.3 --warmup 0.1 --rate 1k --hold 0 --quiet"

        /// A tmpfs of 64 kB as the folder `$full`, with room for one more page.
        private static let fullDisk = """
            full=/run/full
            mkdir $full && mount -t tmpfs -o size=64k none $full || exit 98
            head -c 57344 /dev/zero >$full/filler
            """

        @Test("the code is 74, the message clear, and the result of before is whole")
        func result() throws {
            let (code, said) = try IsolatedScript.run(
                """
                \(Self.fullDisk)
                echo '{"whole": true}' >$full/result.json
                \(Self.run) --json $full/result.json
                code=$?
                echo "then $(cat $full/result.json), $(ls $full | tr '\\n' ' ')"
                exit $code
                """)
            #expect(code == 74, "\(said)")
            #expect(
                said.contains(
                    "uring-bench: --json /run/full/result.json: No space left on device; make room"
                        + " there, or name a file on another disk\n"), "\(said)")
            // What was measured is on the screen all the same.
            #expect(said.contains("200"))
            #expect(said.hasSuffix("then {\"whole\": true}, filler result.json \n"), "\(said)")
        }

        @Test("a file elsewhere is written all the same, and no part of the other one is left")
        func otherFiles() throws {
            let (code, said) = try IsolatedScript.run(
                """
                \(Self.fullDisk)
                \(Self.run) --json $full/result.json -o /run/result.csv -o $full/page.html
                code=$?
                echo "then $(ls $full | tr '\\n' ' '), $(head -n 1 /run/result.csv | cut -c 1-4)"
                exit $code
                """)
            #expect(code == 74, "\(said)")
            #expect(said.contains("--json /run/full/result.json: No space left on device"))
            #expect(said.contains("--output /run/full/page.html: No space left on device"))
            let lines = said.split(separator: "\n")
            #expect(lines.last?.hasPrefix("then filler , ") == true, "\(said)")
            // The CSV is there, with its head.
            #expect(lines.last?.hasSuffix(", ") == false, "\(said)")
        }

        @Test("a stream that finds no room is given up, and the run goes on")
        func stream() throws {
            let (code, said) = try IsolatedScript.run(
                """
                \(Self.fullDisk)
                head -c 8192 /dev/zero >>$full/filler
                \(Self.run) --stream $full/stream
                """)
            #expect(code == 0, "\(said)")
            #expect(
                said.contains(
                    "uring-bench: --stream /run/full/stream: No space left on device; the run goes"
                        + " on without the stream\n"), "\(said)")
        }
    }
}
