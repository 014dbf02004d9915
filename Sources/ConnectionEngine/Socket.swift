// Plain sockets: listening ones, and connecting ones for backends that need a descriptor.

import CLinux
import Glibc

/// An open TCP socket, closed when it goes out of scope.
struct Socket: ~Copyable {
    let fd: CInt

    init(isIPv6: Bool, nonBlocking: Bool) throws(SystemError) {
        let flags = CLinux_SOCK_CLOEXEC | (nonBlocking ? CLinux_SOCK_NONBLOCK : 0)
        fd = CInt(
            try kernelResult("socket", Int(Kernel.makeSocket(isIPv6: isIPv6, flags: flags))))
    }

    deinit {
        if fd >= 0 { Kernel.close(fd) }
    }

    /// Gives the descriptor away; the caller closes it.
    consuming func release() -> CInt {
        let fd = self.fd
        discard self
        return fd
    }

    /// Opens a listening socket.
    ///
    /// - Parameter sharesPort: several workers listen on one port (SO_REUSEPORT), and the kernel
    ///   spreads new connections over them.
    /// - Throws: EADDRINUSE among others, with the remedy.
    static func listening(
        on address: SocketAddress, backlog: UInt32, sharesPort: Bool, nonBlocking: Bool
    ) throws(SystemError) -> Socket {
        let socket = try Socket(isIPv6: address.isIPv6, nonBlocking: nonBlocking)
        try socket.setOption(SO_REUSEADDR, level: SOL_SOCKET, to: 1)
        if sharesPort { try socket.setOption(SO_REUSEPORT, level: SOL_SOCKET, to: 1) }
        // Accepted sockets inherit it: an answer does not wait for the peer's delayed ACK.
        try socket.setOption(TCP_NODELAY, level: CInt(IPPROTO_TCP), to: 1)
        try socket.bind(to: address)
        _ = try systemCall("listen") { Glibc.listen(socket.fd, CInt(backlog)) }
        return socket
    }

    func setOption(_ name: CInt, level: CInt, to value: CInt) throws(SystemError) {
        _ = try kernelResult(
            "setsockopt", Int(Kernel.setOption(fd, level: level, name: name, value: value)))
    }

    func bind(to address: SocketAddress) throws(SystemError) {
        let remedy =
            "\(address) cannot be bound: choose another address or port, or end the process that"
            + " has it (ss -ltnp)"
        let result = unsafe withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { storage in
            let base = storage.baseAddress!
            unsafe address.write(to: base)
            return unsafe Kernel.bind(fd, base, byteCount: address.kernelByteCount)
        }
        if result != 0 { throw SystemError(Errno(-result), call: "bind", remedy: remedy) }
    }

    /// The address that the kernel bound it to.
    func localAddress() throws(SystemError) -> SocketAddress {
        var failure: CInt = 0
        let address = unsafe withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) {
            storage -> SocketAddress? in
            let base = storage.baseAddress!
            var length = socklen_t(32)
            if unsafe getsockname(fd, base.assumingMemoryBound(to: sockaddr.self), &length) != 0 {
                failure = errnoNow()
                return nil
            }
            return unsafe SocketAddress(readingFrom: UnsafeRawPointer(base))
        }
        guard let address else { throw SystemError(Errno(failure), call: "getsockname") }
        return address
    }
}

/// Starts or makes a connection on `fd`: 0, or -errno (-EINPROGRESS on a non-blocking socket).
func connectSocket(_ fd: CInt, to address: SocketAddress) -> CInt {
    unsafe withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { storage in
        let base = storage.baseAddress!
        unsafe address.write(to: base)
        let result = unsafe Kernel.connect(fd, base, byteCount: address.kernelByteCount)
        return result == -EINTR ? awaitConnected(fd) : result
    }
}

/// Waits for the end of a blocking connect that a signal interrupted. It goes on by itself; to
/// repeat the call would answer EALREADY.
private func awaitConnected(_ fd: CInt) -> CInt {
    var request = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
    while unsafe poll(&request, 1, -1) < 0 && errnoNow() == EINTR {}
    let code = Kernel.pendingError(of: fd)
    // One that was shut down meanwhile has neither an error nor a peer.
    return code != 0 || Kernel.isConnected(fd) ? -code : -ECONNABORTED
}

/// Resets an established connection and wakes the threads that wait on it: connect(2) to
/// AF_UNSPEC.
///
/// - Returns: `false` on kernels that refuse this while threads wait (6.4 to 6.6).
func disconnectSocket(_ fd: CInt) -> Bool {
    unsafe withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { storage in
        let base = storage.baseAddress!
        unsafe base.initializeMemory(as: UInt64.self, repeating: 0, count: 2)
        return unsafe Kernel.connect(fd, base, byteCount: 16) == 0
    }
}

/// Whether a connection is over in both directions, as after a reset; the peer's end alone leaves
/// our direction open.
func isDisconnected(_ fd: CInt) -> Bool {
    // The first byte of struct tcp_info.
    var state: UInt8 = 0
    var length = socklen_t(1)
    let result = unsafe getsockopt(fd, CInt(IPPROTO_TCP), TCP_INFO, &state, &length)
    return result == 0 && state == UInt8(TCP_CLOSE)
}

/// Waits until a client is in a listening socket's queue, or the socket was shut down.
func waitForClient(_ listener: CInt) {
    var request = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
    _ = unsafe poll(&request, 1, -1)
}

/// A socket for an outgoing connection, bound to `source` when there is one.
func connectingSocket(
    from source: SocketAddress?, isIPv6: Bool, nonBlocking: Bool, reusesPort: Bool
) throws(SystemError) -> Socket {
    let socket = try Socket(isIPv6: isIPv6, nonBlocking: nonBlocking)
    if let source {
        // A source port that an earlier run left in TIME_WAIT may be used again.
        if reusesPort { try socket.setOption(SO_REUSEADDR, level: SOL_SOCKET, to: 1) }
        try socket.bind(to: source)
    }
    return socket
}

/// Raises the soft descriptor limit of this process to the hard one.
///
/// - Returns: the limit now in force.
@discardableResult
public func raiseDescriptorLimit() -> UInt64 {
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    guard unsafe CLinux_getrlimit_nofile(&soft, &hard) >= 0 else { return 1_024 }
    if soft < hard, CLinux_setrlimit_nofile(hard, hard) >= 0 { return hard }
    return soft
}
