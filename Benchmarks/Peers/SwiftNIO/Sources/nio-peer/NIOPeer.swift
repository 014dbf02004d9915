// SwiftNIO on the same jobs as the engine: an echo server, and a client that holds connections.
//
//     nio-peer echo --port 7000 --cpu 0 --seconds 60
//     nio-peer hold --port 7000 --cpu 1 --seconds 60 --connections 9000
//
// One event loop thread on one processor; both end by themselves.

import CAffinity
import Glibc
import NIOCore
import NIOPosix

@main
struct NIOPeer {
    static func main() throws {
        let options = Options(CommandLine.arguments)
        pin(to: options.cpu)
        raiseDescriptorLimit()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        switch options.job {
        case .echo: try EchoServer.start(options, on: group)
        case .hold: try Holder.run(options, on: group)
        }
        sleep(options.seconds)
        if options.job == .hold { resetAtExit() }
        // The process ends with its connections; a graceful shutdown would close them one by one.
        exit(0)
    }

    /// Threads that are started later inherit the processor.
    private static func pin(to cpu: Int) {
        let code = CAffinity_pin(UInt32(cpu))
        guard code == 0 else {
            fail("--cpu \(cpu): \(String(cString: strerror(code)))", code: 64)
        }
    }

    /// Connections that end with a reset leave no TIME_WAIT to whoever is measured next.
    private static func resetAtExit() {
        var reset = linger(l_onoff: 1, l_linger: 0)
        for descriptor in 3..<CInt(20_000) {
            setsockopt(
                descriptor, SOL_SOCKET, SO_LINGER, &reset, socklen_t(MemoryLayout<linger>.size))
        }
    }

    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

func fail(_ message: String, code: CInt) -> Never {
    _ = "nio-peer: \(message)\n".withCString { write(STDERR_FILENO, $0, strlen($0)) }
    exit(code)
}
