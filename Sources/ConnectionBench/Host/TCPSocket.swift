// One TCP socket as the kernel lists it.

import Glibc

/// The states of tcp(7); the raw value is the kernel's.
public enum TCPState: UInt8, CaseIterable, Sendable {
    case established = 1
    case synSent, synReceived, finWait1, finWait2, timeWait, close, closeWait, lastAck, listen
    case closing
    /// A handshake that is not finished; the kernel shows it as `synReceived` to most readers.
    case newSynReceived

    public static let all = Set(allCases)
}

/// A line of a list, 40 bytes: millions pass by, and none is kept.
struct TCPSocket {
    let state: TCPState
    let isIPv6: Bool
    /// The kernel's words, in network order; IPv4 has one.
    let localWords: (UInt32, UInt32, UInt32, UInt32)
    let localPort: UInt16
    /// Bytes to be read; of a listener the connections that wait to be accepted.
    let receiveQueue: UInt32
    /// Bytes not acknowledged; of a listener how many connections may wait. `nil`: not told.
    let sendQueue: UInt32?
    /// 0 when no descriptor belongs to it: closed, or not yet accepted.
    let inode: UInt32

    /// `127.0.0.1` or `[::1]`.
    var localAddress: String {
        var words = localWords
        var text = [CChar](repeating: 0, count: 64)
        let family = isIPv6 ? AF_INET6 : AF_INET
        guard inet_ntop(family, &words, &text, socklen_t(text.count)) != nil else { return "?" }
        let address = text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        return isIPv6 ? "[\(address)]" : address
    }
}

/// How many sockets are in each state.
public struct TCPSocketCounts: Codable, Hashable, Sendable {
    private var counts = [Int](repeating: 0, count: TCPState.allCases.count + 1)

    public init() {}

    public subscript(state: TCPState) -> Int {
        get { counts[Int(state.rawValue)] }
        set { counts[Int(state.rawValue)] = newValue }
    }

    public var total: Int { counts.reduce(0, +) }

    /// In JSON the states that occur, by name.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        for (name, count) in try container.decode([String: Int].self) {
            guard let state = TCPState.allCases.first(where: { "\($0)" == name }) else {
                throw DecodingError.dataCorruptedError(
                    in: container, debugDescription: "'\(name)' is no state of TCP")
            }
            self[state] = count
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var named: [String: Int] = [:]
        for state in TCPState.allCases where self[state] > 0 { named["\(state)"] = self[state] }
        var container = encoder.singleValueContainer()
        try container.encode(named)
    }
}

/// A socket that takes connections, and how many wait in its accept queue.
public struct ListenerFacts: Codable, Hashable, Sendable {
    /// `127.0.0.1`, `0.0.0.0` or `[::]`.
    public let address: String
    public let port: UInt16
    public let inode: UInt32
    /// Connections that are complete and not yet accepted by the program.
    public let acceptQueue: Int
    /// The smaller of the backlog given to listen(2) and net.core.somaxconn.
    public let acceptQueueMax: Fact<Int>

    init(_ socket: TCPSocket) {
        address = socket.localAddress
        port = socket.localPort
        inode = socket.inode
        acceptQueue = Int(socket.receiveQueue)
        acceptQueueMax =
            socket.sendQueue.map { .known(Int($0)) }
            ?? .unknown(because: "/proc/net/tcp does not tell it")
    }
}
