// An echo server in one file: a handler, a configuration, an engine.
//
//     echo-server uring 7000              io_uring on 127.0.0.1:7000, until Ctrl-C
//     echo-server epoll 7000 30 0         epoll, ends after 30 seconds, pinned to processor 0
//     echo-server threads 0.0.0.0:7000    for other machines too, which it warns of

import ConnectionEngine
import Glibc

/// Sends back what it receives. The received buffer itself is sent, so nothing is copied, and the
/// backend returns it to the pool when its bytes are with the kernel.
struct Echo: Handler {
    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        for position in 0..<completions.count {
            switch completions[position] {
            case .accepted(let id):
                operations.arm(id)
            case .received(let id, let buffer, let byteCount):
                operations.send(id, buffer, byteCount: Int(byteCount))
            case .connected, .sent, .closed:
                break
            }
        }
    }
}

@main
struct EchoServer {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3, let backend = BackendKind(rawValue: arguments[1]),
            let address = UInt16(arguments[2]).map(SocketAddress.loopback)
                ?? SocketAddress(arguments[2])
        else {
            fail(
                "usage: echo-server uring|epoll|threads [ADDRESS:]PORT [SECONDS [PROCESSOR]]",
                code: 64)
        }
        if !address.isLoopback {
            complain("warning: \(address): other machines reach it, and it answers all of them")
        }
        let seconds = arguments.count > 3 ? UInt32(arguments[3]) : nil
        let processor = arguments.count > 4 ? UInt32(arguments[4]) : nil

        var configuration = Configuration(backend: backend)
        configuration.listen = [address]
        configuration.limits.connections = 16_000
        configuration.processors = processor.map { [$0] } ?? []
        do {
            let engine = try Engine(configuration) { _ in Echo() }
            print("listening on \(engine.listeningAddresses[0]) with \(backend.rawValue)")
            fflush(nil)
            if let seconds {
                sleep(seconds)
                engine.stop()
            }
            try engine.join()
            print("echoed \(engine.counters.bytesSent) bytes")
        } catch {
            fail("echo-server: \(error)", code: 69)
        }
    }

    static func complain(_ message: String) {
        _ = (message + "\n").withCString { write(STDERR_FILENO, $0, strlen($0)) }
    }

    static func fail(_ message: String, code: CInt) -> Never {
        complain(message)
        exit(code)
    }
}
