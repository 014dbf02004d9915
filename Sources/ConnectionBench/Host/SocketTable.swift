// The TCP sockets in the network of a process: from the kernel's diagnosis, else from its files.

import ConnectionEngine
import Glibc

/// Why the sockets of a network could not be listed.
enum SocketTableError: Error, Hashable, Sendable, CustomStringConvertible {
    case system(SystemError)
    case file(FileError)

    var description: String {
        switch self {
        case .system(let error): "\(error)"
        case .file(let error): "\(error)"
        }
    }
}

/// One network namespace's sockets. Each call reads them anew.
struct SocketTable: ~Copyable {
    private enum Source: ~Copyable {
        case diagnosis(SocketDiagnosis)
        /// /proc/<pid>/net/tcp and tcp6, which are the process's own and readable for all.
        case files(HostFiles, pid: Int32)
    }

    /// `origin` of a process in our own network namespace.
    static let originOwn = "sock_diag"

    private let source: Source
    /// Where the sockets are read from and, if that is the second choice, why.
    let origin: String

    /// The process's network namespace is entered where it is not ours; without the privilege its
    /// files tell all but the size of accept queues, and more slowly.
    init(of pid: Int32, files: HostFiles = HostFiles(root: "")) {
        let own = files.link("/proc/self/ns/net")
        let isOurs = own != nil && own == files.link("/proc/\(pid)/ns/net")
        do throws(SystemError) {
            guard files.root.isEmpty else { throw SystemError(Errno(EXDEV), call: "made up") }
            let diagnosis = isOurs ? try SocketDiagnosis() : try SocketDiagnosis(networkOf: pid)
            // A kernel may have netlink and not this list.
            try diagnosis.forEach(in: [.listen]) { _ in }
            source = .diagnosis(diagnosis)
            origin = isOurs ? Self.originOwn : "sock_diag in the process's own network namespace"
        } catch {
            source = .files(files, pid: pid)
            origin = "/proc/\(pid)/net/tcp, since sock_diag failed: \(error)"
        }
    }

    /// Hands out each socket of both families in one of `states`; nothing is kept.
    func forEach(
        in states: Set<TCPState>, _ body: (TCPSocket) -> Void
    ) throws(SocketTableError) {
        switch source {
        case .diagnosis(let diagnosis):
            do {
                try diagnosis.forEach(in: states, body)
            } catch {
                throw .system(error)
            }
        case .files(let files, let pid):
            for name in ["tcp", "tcp6"] {
                let path = "\(files.root)/proc/\(pid)/net/\(name)"
                do throws(FileError) {
                    try Self.read(path) { if states.contains($0.state) { body($0) } }
                } catch let error where error.isMissing && name == "tcp6" {
                    // A kernel without IPv6.
                    continue
                } catch {
                    throw .file(error)
                }
            }
        }
    }

    /// How many there are in each state, in a set of local ports or in all.
    func counts(
        in states: Set<TCPState> = TCPState.all, localPorts: Set<UInt16>? = nil
    ) throws(SocketTableError) -> TCPSocketCounts {
        var counts = TCPSocketCounts()
        try forEach(in: states) { socket in
            if localPorts?.contains(socket.localPort) ?? true { counts[socket.state] += 1 }
        }
        return counts
    }

    /// Every socket that takes connections, in the kernel's order.
    func listeners() throws(SocketTableError) -> [ListenerFacts] {
        var listeners: [ListenerFacts] = []
        try forEach(in: [.listen]) { listeners.append(ListenerFacts($0)) }
        return listeners
    }

    /// Reads a file of the kernel's, line by line.
    static func read(_ path: String, _ body: (TCPSocket) -> Void) throws(FileError) {
        var isHeader = true
        var isMalformed = false
        try TextFile.forEachLine(path) { line in
            if isHeader {
                isHeader = false
            } else if let socket = TCPSocket(line: line) {
                body(socket)
            } else {
                isMalformed = true
            }
        }
        if isMalformed { throw FileError(path: path, expected: "ten columns in every line") }
    }
}

extension TCPSocket {
    /// `0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000 0 0 4711 …`.
    init?(line: UnsafeRawBufferPointer) {
        var columns = HexColumns(bytes: line)
        columns.skipWord()
        guard let local = columns.address(), let localPort = columns.number() else { return nil }
        columns.skipWord()
        guard
            let state = columns.number().flatMap({
                TCPState(rawValue: UInt8(truncatingIfNeeded: $0))
            }),
            let sendQueue = columns.number(), let receiveQueue = columns.number()
        else { return nil }
        for _ in 0..<4 { columns.skipWord() }
        guard let inode = columns.number(radix: 10) else { return nil }
        self.init(
            state: state, isIPv6: local.isIPv6, localWords: local.words,
            localPort: UInt16(truncatingIfNeeded: localPort), receiveQueue: receiveQueue,
            // The kernel writes no maximum for a listener here.
            sendQueue: state == .listen ? nil : sendQueue, inode: inode)
    }
}

/// Numbers separated by blanks and colons, read without making a string of any.
private struct HexColumns {
    let bytes: UnsafeRawBufferPointer
    private var offset = 0

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func skipWord() {
        skipBlanks()
        while offset < bytes.count, bytes[offset] != UInt8(ascii: " ") { offset += 1 }
    }

    mutating func number(radix: UInt32 = 16) -> UInt32? {
        skipBlanks()
        let start = offset
        var value: UInt32 = 0
        while offset < bytes.count, let digit = Self.digit(bytes[offset]), digit < radix {
            value = value &* radix &+ digit
            offset += 1
        }
        return offset > start ? value : nil
    }

    /// Eight digits for each word of an address, written as the processor sees the word.
    mutating func address() -> (words: (UInt32, UInt32, UInt32, UInt32), isIPv6: Bool)? {
        skipBlanks()
        guard let end = bytes[offset...].firstIndex(of: UInt8(ascii: ":")) else { return nil }
        guard end - offset == 8 || end - offset == 32 else { return nil }
        var words: [UInt32] = []
        while offset < end {
            var word: UInt32 = 0
            for index in offset..<(offset + 8) {
                guard let digit = Self.digit(bytes[index]) else { return nil }
                word = word << 4 | digit
            }
            words.append(word)
            offset += 8
        }
        let isIPv6 = words.count == 4
        return isIPv6
            ? ((words[0], words[1], words[2], words[3]), true) : ((words[0], 0, 0, 0), false)
    }

    private mutating func skipBlanks() {
        while offset < bytes.count,
            bytes[offset] == UInt8(ascii: " ") || bytes[offset] == UInt8(ascii: ":")
        { offset += 1 }
    }

    private static func digit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
        default: nil
        }
    }
}
