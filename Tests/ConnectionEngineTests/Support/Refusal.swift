// System calls that fail from here on: a seccomp filter over the whole process. For tests in a
// process of their own, since it cannot be taken back.

import Glibc

/// A system call by its number on this architecture, and which of its uses is meant.
enum RefusedCall {
    case accept, ioURingSetup
    /// epoll_ctl(EPOLL_CTL_ADD) alone.
    case epollAdd
    case epollWait, ioURingEnter
    /// io_uring_register(IORING_REGISTER_RESTRICTIONS) alone.
    case ringRestrictions
    /// io_uring_register(IORING_REGISTER_PBUF_RING) alone.
    case ringBuffers
    /// clone3(2), with which the library begins threads.
    case thread

    #if arch(x86_64)
        fileprivate static let seccomp = 317
        fileprivate var number: UInt32 {
            switch self {
            case .accept: 288
            case .epollAdd: 233
            default: commonNumber
            }
        }
    #else
        fileprivate static let seccomp = 277
        fileprivate var number: UInt32 {
            switch self {
            case .accept: 242
            case .epollAdd: 21
            default: commonNumber
            }
        }
    #endif

    /// Calls that came to Linux since 5.1 have one number on every architecture.
    private var commonNumber: UInt32 {
        switch self {
        case .ioURingSetup: 425
        case .ioURingEnter: 426
        case .ringRestrictions, .ringBuffers: 427
        case .thread: 435
        case .epollWait: 441
        case .accept, .epollAdd: preconditionFailure("\(self) has a number of its own")
        }
    }

    /// The second argument that is meant; `nil`: every use.
    fileprivate var secondArgument: UInt32? {
        switch self {
        case .accept, .epollWait, .ioURingSetup, .ioURingEnter, .thread: nil
        case .epollAdd: 1
        case .ringRestrictions: 11
        case .ringBuffers: 22
        }
    }
}

/// Makes `call` fail with `code` in every thread of this process.
func refuse(_ call: RefusedCall, with code: CInt) {
    // Each instruction: code (16 bits), jump if true (8), jump if false (8), operand (32).
    func instruction(_ code: UInt64, _ whenTrue: UInt64, _ whenFalse: UInt64, _ k: UInt32)
        -> UInt64
    {
        code | whenTrue << 16 | whenFalse << 24 | UInt64(k) << 32
    }
    let load: UInt64 = 0x20  // BPF_LD | BPF_W | BPF_ABS
    let jumpIfEqual: UInt64 = 0x15  // BPF_JMP | BPF_JEQ | BPF_K
    let answer: UInt64 = 0x06  // BPF_RET | BPF_K
    let allow: UInt32 = 0x7fff_0000
    let fail = 0x0005_0000 | UInt32(code)
    let answers = [instruction(answer, 0, 0, fail), instruction(answer, 0, 0, allow)]
    let program: [UInt64]
    if let argument = call.secondArgument {
        program =
            [
                instruction(load, 0, 0, 0), instruction(jumpIfEqual, 0, 3, call.number),
                instruction(load, 0, 0, 24), instruction(jumpIfEqual, 0, 1, argument),
            ] + answers
    } else {
        program =
            [instruction(load, 0, 0, 0), instruction(jumpIfEqual, 0, 1, call.number)] + answers
    }
    // Swift does not import variadic functions.
    typealias Prctl = @convention(c) (CInt, UInt, UInt, UInt, UInt) -> CInt
    typealias Syscall = @convention(c) (Int, UInt, UInt, UnsafeRawPointer) -> Int
    let prctl = unsafeBitCast(dlsym(nil, "prctl"), to: Prctl.self)
    let syscall = unsafeBitCast(dlsym(nil, "syscall"), to: Syscall.self)
    let noNewPrivileges: CInt = 38
    precondition(prctl(noNewPrivileges, 1, 0, 0, 0) == 0)
    program.withUnsafeBytes { instructions in
        var header = (UInt(program.count), instructions.baseAddress!)
        // SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC
        let result = syscall(RefusedCall.seccomp, 1, 1, &header)
        precondition(result == 0, "seccomp: \(result), errno \(errno)")
    }
}
