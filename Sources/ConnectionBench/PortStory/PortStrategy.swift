// The four ways in which a client can get its source port.

import CLinux
import ConnectionEngine
import Glibc

public enum PortStrategy: String, CaseIterable, Codable, Sendable {
    /// connect(2) on an unbound socket: the kernel chooses address and port.
    case kernel
    /// IP_BIND_ADDRESS_NO_PORT, bind to the address with port 0: the kernel chooses the port when
    /// it connects.
    case bindNoPort = "bind-no-port"
    /// IP_LOCAL_PORT_RANGE: the kernel chooses from a range of the socket's own.
    case localRange = "local-range"
    /// An explicit bind to the address and port that ``TuplePlan`` computes.
    case planner

    /// One line for the reader of the table.
    var explanation: String {
        switch self {
        case .kernel: "connect() without bind"
        case .bindNoPort: "IP_BIND_ADDRESS_NO_PORT, bind to port 0, connect()"
        case .localRange: "IP_LOCAL_PORT_RANGE over the same ports, connect()"
        case .planner: "bind to a port of our own plan (as uring-bench run), connect()"
        }
    }

    /// The socket option that the strategy stands on.
    private var option: (value: CInt, name: String, since: String)? {
        switch self {
        case .bindNoPort: (CLinux_IP_BIND_ADDRESS_NO_PORT, "IP_BIND_ADDRESS_NO_PORT", "4.2")
        case .localRange: (CLinux_IP_LOCAL_PORT_RANGE, "IP_LOCAL_PORT_RANGE", "6.3")
        case .kernel, .planner: nil
        }
    }

    /// Why this kernel cannot do it; `nil` when it can.
    func missingFeature(kernelRelease: String?) throws(SystemError) -> String? {
        guard let option else { return nil }
        let fd = try Self.openSocket()
        defer { close(fd) }
        let code = Self.set(option.value, level: IPPROTO_IP, to: 0, on: fd)
        guard code != 0 else { return nil }
        return "\(option.name) needs Linux \(option.since), this is \(kernelRelease ?? "another"):"
            + " \(Errno(code))"
    }

    static func openSocket() throws(SystemError) -> CInt {
        let fd = socket(AF_INET, CLinux_SOCK_STREAM | CLinux_SOCK_CLOEXEC, 0)
        guard fd >= 0 else { throw SystemError(Errno(errno), call: "socket") }
        return fd
    }

    /// Gives `fd` a source in this strategy's way and connects it: everything that is timed.
    ///
    /// - Returns: 0, or the errno of the call that failed.
    func connect(_ fd: CInt, _ tuple: TuplePlan.Tuple, range: ClosedRange<UInt16>) -> CInt {
        switch self {
        case .kernel: break
        case .bindNoPort:
            var code = Self.set(
                CLinux_IP_BIND_ADDRESS_NO_PORT, level: IPPROTO_IP, to: 1, on: fd)
            if code != 0 { return code }
            var source = tuple.source
            source.port = 0
            code = PlainSocket.bind(fd, to: source)
            if code != 0 { return code }
        case .localRange:
            // The last port in the high half, the first in the low one.
            let value = UInt32(range.upperBound) << 16 | UInt32(range.lowerBound)
            let code = Self.set(
                CLinux_IP_LOCAL_PORT_RANGE, level: IPPROTO_IP, to: CInt(bitPattern: value), on: fd)
            if code != 0 { return code }
        case .planner:
            var code = Self.set(SO_REUSEADDR, level: Int(SOL_SOCKET), to: 1, on: fd)
            if code != 0 { return code }
            code = PlainSocket.bind(fd, to: tuple.source)
            if code != 0 { return code }
        }
        return PlainSocket.connect(fd, to: tuple.destination)
    }

    private static func set(_ option: CInt, level: Int, to value: CInt, on fd: CInt) -> CInt {
        var value = value
        return setsockopt(fd, CInt(level), option, &value, 4) == 0 ? 0 : errno
    }
}
