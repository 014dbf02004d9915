// What a ring may do once it has begun: a bug in the engine, or an attacker inside the process who
// reaches a ring, opens no files and starts nothing with it (IORING_REGISTER_RESTRICTIONS).

import CLiburing

/// Operations, entry flags and registrations; all others fail with EACCES.
struct URingAllowance {
    let operations: [UInt8]
    let registrations: [UInt8]
    /// IOSQE_* that an entry may carry: no links, no drains, no forced worker threads.
    static let entryFlags =
        CLiburing_SQE_FIXED_FILE | CLiburing_SQE_BUFFER_SELECT | CLiburing_SQE_CQE_SKIP_SUCCESS

    /// What `URingEntries.swift` writes for this set-up, and what is registered while a ring runs.
    ///
    /// - Parameter isHub: it reads the worker's eventfd, the only read of all.
    init(_ setup: WorkerSetup, _ features: URingFeatures, isHub: Bool) {
        let isDirect = setup.layout.isDirect
        var operations = [
            IORING_OP_CONNECT, IORING_OP_POLL_ADD, IORING_OP_RECV, IORING_OP_SEND,
            IORING_OP_CLOSE, IORING_OP_ASYNC_CANCEL,
        ].map { UInt8($0.rawValue) }
        if isHub { operations.append(UInt8(IORING_OP_READ.rawValue)) }
        if !setup.listeners.isEmpty { operations.append(UInt8(IORING_OP_ACCEPT.rawValue)) }
        if isDirect { operations.append(UInt8(IORING_OP_SOCKET.rawValue)) }
        // A kernel refuses restrictions that name an operation which it does not know.
        if isDirect, features.contains(.bind) {
            operations.append(CLiburing_OP_BIND)
            if setup.reusesSourcePorts { operations.append(UInt8(IORING_OP_URING_CMD.rawValue)) }
        }
        self.operations = operations
        // Without it a ring that ends would stay behind in its thread's table of rings.
        var registrations = [CLiburing_UNREGISTER_RING_FDS]
        if features.contains(.multishotReceive) {
            registrations.append(CLiburing_REGISTER_PBUF_RING)
        }
        if isDirect, !features.contains(.bind) {
            registrations.append(CLiburing_REGISTER_FILES_UPDATE)
        }
        self.registrations = registrations
    }

    /// As the kernel takes them.
    var restrictions: [io_uring_restriction] {
        var restrictions = operations.map { operation in
            var restriction = io_uring_restriction()
            restriction.opcode = CLiburing_RESTRICTION_SQE_OP
            restriction.sqe_op = operation
            return restriction
        }
        restrictions += registrations.map { registration in
            var restriction = io_uring_restriction()
            restriction.opcode = CLiburing_RESTRICTION_REGISTER_OP
            restriction.register_op = registration
            return restriction
        }
        var flags = io_uring_restriction()
        flags.opcode = CLiburing_RESTRICTION_SQE_FLAGS
        flags.sqe_flags = URingAllowance.entryFlags
        return restrictions + [flags]
    }
}
