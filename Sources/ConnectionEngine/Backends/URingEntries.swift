// How each request is written into an SQE, and how its answer is recognised.

import CLiburing
import Glibc

/// The kernel's `user_data`: kind (8 bits), generation (24), index (32).
struct UserData {
    let rawValue: UInt64

    enum Kind: UInt8 {
        case accept = 1, connect, prepareConnect, poll, receive, receiveMultishot, send, close
        case cancel, disconnect, wake
    }

    init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    @inline(__always)
    init(_ kind: Kind, _ id: ConnectionID) {
        rawValue =
            UInt64(kind.rawValue) << 56
            | UInt64(id.generation & ConnectionID.generationMask) << 32 | UInt64(id.index)
    }

    /// For requests that belong to no connection: a listener's accept, the wake-up.
    init(_ kind: Kind, index: UInt32) {
        self.init(kind, ConnectionID(index: index, generation: 0))
    }

    /// A listener's accept request for one client; one for many has no generation.
    init(singleAccept index: UInt32) {
        self.init(.accept, ConnectionID(index: index, generation: 1))
    }

    var isSingleAccept: Bool { id.generation == 1 }

    var kind: Kind? { Kind(rawValue: UInt8(truncatingIfNeeded: rawValue >> 56)) }

    var id: ConnectionID {
        ConnectionID(
            index: UInt32(truncatingIfNeeded: rawValue),
            generation: UInt32(truncatingIfNeeded: rawValue >> 32) & ConnectionID.generationMask)
    }
}

/// Where a connection's socket is: a slot of the ring's direct table, or a plain descriptor.
struct Target {
    let fd: CInt
    let isDirect: Bool

    var flags: UInt8 { isDirect ? CLiburing_SQE_FIXED_FILE : 0 }
}

/// - Safety (all of these): the entry belongs to the ring and is written before the next `enter`;
///   addresses and buffers named in it stay valid until the answer.
extension URing {
    mutating func prepareAccept(listener: CInt, index: UInt32, multishot: Bool, direct: Bool) {
        let entry = unsafe nextEntry()
        let flags = direct ? 0 : CLiburing_ACCEPT_FLAGS
        unsafe io_uring_prep_accept(entry, listener, nil, nil, flags)
        if multishot { unsafe entry.pointee.ioprio |= CLiburing_ACCEPT_MULTISHOT }
        if direct { unsafe entry.pointee.file_index = CLiburing_FILE_INDEX_ALLOC }
        let data = multishot ? UserData(.accept, index: index) : UserData(singleAccept: index)
        unsafe entry.pointee.user_data = data.rawValue
    }

    /// Makes a TCP socket in a direct slot; answered only when it fails.
    mutating func prepareSocket(_ id: ConnectionID, isIPv6: Bool, slot: UInt32) {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_socket_direct(
            entry, isIPv6 ? AF_INET6 : AF_INET, CLiburing_SOCK_STREAM, 0, slot, 0)
        unsafe entry.pointee.flags |= CLiburing_SQE_CQE_SKIP_SUCCESS
        unsafe entry.pointee.user_data = UserData(.prepareConnect, id).rawValue
    }

    /// Sets SO_REUSEADDR (Linux 6.7), as sockets that are made by system calls do; answered only
    /// when it fails.
    mutating func prepareReuseAddress(_ id: ConnectionID, _ target: Target, one: UnsafeRawPointer) {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_rw(
            CInt(IORING_OP_URING_CMD.rawValue), entry, target.fd, nil, 0,
            CLiburing_SOCKET_OP_SETSOCKOPT)
        // The level and the option's name share the address's 64 bits.
        unsafe entry.pointee.addr = UInt64(SOL_SOCKET) | UInt64(SO_REUSEADDR) << 32
        unsafe entry.pointee.addr3 = UInt64(UInt(bitPattern: one))
        unsafe entry.pointee.file_index = 4
        unsafe entry.pointee.flags |= target.flags | CLiburing_SQE_CQE_SKIP_SUCCESS
        unsafe entry.pointee.user_data = UserData(.prepareConnect, id).rawValue
    }

    /// Binds to the source address (Linux 6.11); answered only when it fails.
    mutating func prepareBind(
        _ id: ConnectionID, _ target: Target, address: UnsafeRawPointer, byteCount: UInt32
    ) {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_rw(
            CInt(CLiburing_OP_BIND), entry, target.fd, address, 0, UInt64(byteCount))
        unsafe entry.pointee.flags |= target.flags | CLiburing_SQE_CQE_SKIP_SUCCESS
        unsafe entry.pointee.user_data = UserData(.prepareConnect, id).rawValue
    }

    mutating func prepareConnect(
        _ id: ConnectionID, _ target: Target, address: UnsafeRawPointer, byteCount: UInt32
    ) {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_rw(
            CInt(IORING_OP_CONNECT.rawValue), entry, target.fd, address, 0, UInt64(byteCount))
        unsafe entry.pointee.flags |= target.flags
        unsafe entry.pointee.user_data = UserData(.connect, id).rawValue
    }

    /// connect(AF_UNSPEC) resets an established connection inline and wakes its armed requests;
    /// answered only when it fails. IORING_OP_SHUTDOWN would always go to a worker thread.
    mutating func prepareDisconnect(_ id: ConnectionID, _ target: Target, zeroes: UnsafeRawPointer)
    {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_rw(
            CInt(IORING_OP_CONNECT.rawValue), entry, target.fd, zeroes, 0, 16)
        unsafe entry.pointee.flags |= target.flags | CLiburing_SQE_CQE_SKIP_SUCCESS
        unsafe entry.pointee.user_data = UserData(.disconnect, id).rawValue
    }

    /// A one-shot poll: 256 bytes of kernel memory while it waits.
    mutating func preparePoll(_ id: ConnectionID, _ target: Target) {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_poll_add(entry, target.fd, CLiburing_POLL_MASK)
        unsafe entry.pointee.flags |= target.flags
        unsafe entry.pointee.user_data = UserData(.poll, id).rawValue
    }

    /// A single receive into a buffer of ours.
    mutating func prepareReceive(
        _ id: ConnectionID, _ target: Target, buffer: UnsafeMutableRawPointer, byteCount: UInt32,
        pollFirst: Bool
    ) {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_recv(entry, target.fd, buffer, Int(byteCount), 0)
        if pollFirst { unsafe entry.pointee.ioprio |= CLiburing_RECVSEND_POLL_FIRST }
        unsafe entry.pointee.flags |= target.flags
        unsafe entry.pointee.user_data = UserData(.receive, id).rawValue
    }

    /// Receives again and again into provided buffers (Linux 6.0). It polls first, because on an
    /// empty buffer group it would otherwise end at once with ENOBUFS.
    mutating func prepareReceiveMultishot(_ id: ConnectionID, _ target: Target) {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_recv(entry, target.fd, nil, 0, 0)
        unsafe entry.pointee.ioprio |= CLiburing_RECV_MULTISHOT | CLiburing_RECVSEND_POLL_FIRST
        unsafe entry.pointee.flags |= target.flags | CLiburing_SQE_BUFFER_SELECT
        unsafe entry.pointee.buf_group = 0
        unsafe entry.pointee.user_data = UserData(.receiveMultishot, id).rawValue
    }

    /// MSG_WAITALL: the kernel itself continues a short send of a stream.
    mutating func prepareSend(
        _ id: ConnectionID, _ target: Target, bytes: UnsafeRawPointer, byteCount: UInt32
    ) {
        let entry = unsafe nextEntry()
        let flags = CLiburing_SEND_FLAGS
        unsafe io_uring_prep_send(entry, target.fd, bytes, Int(byteCount), flags)
        unsafe entry.pointee.flags |= target.flags
        unsafe entry.pointee.user_data = UserData(.send, id).rawValue
    }

    mutating func prepareClose(_ id: ConnectionID, _ target: Target) {
        let entry = unsafe nextEntry()
        if target.isDirect {
            unsafe io_uring_prep_close_direct(entry, UInt32(target.fd))
        } else {
            unsafe io_uring_prep_close(entry, target.fd)
        }
        unsafe entry.pointee.user_data = UserData(.close, id).rawValue
    }

    /// Cancels one request by its `user_data`; answered only when it was not found.
    mutating func prepareCancel(_ victim: UserData, _ id: ConnectionID) {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_cancel64(entry, victim.rawValue, 0)
        unsafe entry.pointee.flags |= CLiburing_SQE_CQE_SKIP_SUCCESS
        unsafe entry.pointee.user_data = UserData(.cancel, id).rawValue
    }

    /// Reads the worker's eventfd: how the hub ring learns of the other rings and of wake-ups.
    mutating func prepareWakeRead(_ eventFD: CInt, into word: UnsafeMutableRawPointer) {
        let entry = unsafe nextEntry()
        unsafe io_uring_prep_read(entry, eventFD, word, 8, 0)
        unsafe entry.pointee.user_data = UserData(.wake, index: 0).rawValue
    }
}
