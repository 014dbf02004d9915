// The options that say where a run's figures go, and those who follow it while it goes on.

import ArgumentParser
import ConnectionBench

struct OutputOptions: ParsableArguments {
    @Option(
        name: .shortAndLong, parsing: .unconditionalSingleValue,
        help: """
            Write the result to this file; what is written follows from its extension: \
            \(OutputKind.allowed). May be repeated.
            """,
        completion: .file(extensions: OutputKind.allCases.map(\.rawValue)))
    var output: [String] = []

    @Option(
        parsing: .unconditional,
        help: """
            Write a line of JSON for each phase, second, step and warning while the run goes on; - is \
            standard output.
            """, completion: .file())
    var stream: String?

    @Option(
        parsing: .unconditional,
        help: """
            Answer a scraper on this port of 127.0.0.1 (GET /metrics, OpenMetrics) while the run goes \
            on; 0: the kernel chooses, and standard error says which.
            """, transform: Allowed.port.parse)
    var metrics: Int?

    func validate() throws {
        for path in output { _ = try OutputKind(path: path) }
    }

    func checkStandardOutput(json: String?) throws {
        if json == "-", stream == "-" {
            throw ValidationError(
                "--json - and --stream - would both be on standard output: give one of them a file")
        }
    }

    /// The stream and the metrics port, tried before anything is measured.
    ///
    /// - Throws: with code 74 when they cannot be had.
    func followers(isQuiet: Bool) throws -> RunFollowers {
        let followers = RunFollowers()
        if let stream {
            do {
                followers.stream = try RunStream(path: stream) { reason in
                    Exit.complain("--stream \(stream): \(reason)")
                }
            } catch {
                throw Exit.withMessage(
                    "--stream \(stream): \(error); name a file in a directory that can be written",
                    code: 74)
            }
        }
        guard let metrics else { return followers }
        do {
            let server = try MetricsServer(port: UInt16(metrics))
            followers.metrics = server
            if !isQuiet || metrics == 0 {
                Exit.complain("metrics: http://127.0.0.1:\(server.port)/metrics")
            }
        } catch {
            followers.finish()
            throw Exit.withMessage(
                "--metrics \(metrics): \(error); choose another port, or 0 for any", code: 74)
        }
        return followers
    }
}

/// Those who follow one run, until it is over.
final class RunFollowers {
    var stream: RunStream?
    var metrics: MetricsServer?

    var observers: [any RunObserver] {
        let all: [(any RunObserver)?] = [stream, metrics]
        return all.compactMap { $0 }
    }

    /// Writes what is left of the stream and closes the port. Call it once.
    func finish() {
        stream?.finish()
        metrics?.stop()
    }
}
