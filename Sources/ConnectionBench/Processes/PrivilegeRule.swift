// Whether a run's children stay root, and why. Pure, so that every reason has a test.

import CLinux
import ConnectionEngine

/// What server and client processes may do, for the result.
public struct ChildPrivileges: Codable, Hashable, Sendable {
    /// Whom they run as.
    public var user: String
    public var userID: Int
    /// They were started as root and have given it up.
    public var dropped: Bool
    /// Capabilities that some of them still have; of those that stay root nothing is listed.
    public var kept: [String] = []
    /// Why root's rights, or some of them, were not given up.
    public var reasons: [String] = []

    /// A line for people where root's rights are not all gone.
    var words: String? {
        if reasons.isEmpty { return nil }
        let subject =
            dropped
            ? "the processes are \(user), and keep \(kept.joined(separator: " and "))"
            : "the processes stay \(user)"
        return "\(subject): \(reasons.joined(separator: "; "))"
    }
}

/// Children need no rights once they have their descriptors: they become nobody, unless the plan
/// asks for something that the kernel gives to root alone.
struct PrivilegeRule {
    /// What the run is, as far as it matters here.
    struct Question {
        var host: HostFacts
        var backend: BackendKind
        /// Connections that the processes must be able to hold.
        var target: Int
        var workersPerSide: Int
        var keepsPrivileges = false
        var account: UserAccount
        /// First listening port; 0: the kernel chooses.
        var port: UInt16 = 0
        /// Ports below are for root: net.ipv4.ip_unprivileged_port_start.
        var portFirstFree = 1_024
        /// RLIMIT_MEMLOCK (hard) in bytes; `nil`: unlimited.
        var lockedBytesMax: Int?
        /// RLIMIT_NPROC (hard); `nil`: unlimited.
        var userThreadsMax: Int?
        /// Threads that the account has already.
        var userThreadsUsed = 0
        /// User and group exist in this user namespace.
        var isMapped = true
    }

    let record: ChildPrivileges
    /// `nil`: they stay what they are.
    let server: PrivilegeDrop?
    let client: PrivilegeDrop?

    init(_ question: Question) {
        let user = question.host.effectiveUser ?? 0
        guard user == 0 else {
            let account = UserAccount(number: UInt32(user))
            record = ChildPrivileges(user: account.name, userID: user, dropped: false)
            (server, client) = (nil, nil)
            return
        }
        let reasons = question.reasonsToStayRoot
        guard reasons.isEmpty else {
            record = ChildPrivileges(user: "root", userID: 0, dropped: false, reasons: reasons)
            (server, client) = (nil, nil)
            return
        }
        let kept = question.capabilitiesKept
        func drop(_ capabilities: [Capability]) -> PrivilegeDrop {
            PrivilegeDrop(
                userID: question.account.userID, groupID: question.account.groupID,
                kept: capabilities.reduce(0) { $0 | 1 << $1.rawValue })
        }
        server = drop(kept.map(\.capability))
        client = drop(kept.map(\.capability).filter { $0 != .bindService })
        record = ChildPrivileges(
            user: question.account.name, userID: Int(question.account.userID), dropped: true,
            kept: kept.map(\.capability.name), reasons: kept.map(\.reason))
    }
}

/// Those that this program asks for; the number is the kernel's.
enum Capability: UInt64 {
    case kill = 5
    case setGroup = 6
    case setUser = 7
    case bindService = 10
    case lockMemory = 14
    case trace = 19
    case systemAdmin = 21

    var name: String {
        switch self {
        case .kill: "CAP_KILL"
        case .setGroup: "CAP_SETGID"
        case .setUser: "CAP_SETUID"
        case .bindService: "CAP_NET_BIND_SERVICE"
        case .lockMemory: "CAP_IPC_LOCK"
        case .trace: "CAP_SYS_PTRACE"
        case .systemAdmin: "CAP_SYS_ADMIN"
        }
    }
}

extension PrivilegeRule.Question {
    /// Open files of the machine that a run leaves to others, beside two for each connection.
    private static let filesKept = 50_000
    /// Threads of the run beside those of connections.
    private static let threadsKept = 1_000

    fileprivate var reasonsToStayRoot: [String] {
        if keepsPrivileges { return ["--keep-privileges"] }
        var reasons: [String] = []
        let uses: [(Capability, String)] = [
            (.setUser, "no other user can be taken"), (.setGroup, "no other group can be taken"),
            (.trace, "the memory of other users' processes cannot be read"),
            (.kill, "other users' processes cannot be ended"),
        ]
        for (capability, consequence) in uses where !has(capability) {
            reasons.append("without \(capability.name) \(consequence)")
        }
        if !isMapped {
            reasons.append("user \(account.userID) does not exist in this user namespace")
        }
        if let limit = host.systemFilesMax, let used = host.systemFilesUsed, has(.systemAdmin),
            used + 2 * target + Self.filesKept > limit
        {
            reasons.append(
                "\(Count.format(target)) connections need \(Count.format(2 * target)) open files"
                    + " beside the \(Count.format(used)) there are: only root may come so near to"
                    + " fs.file-max (\(Count.format(limit)))")
        }
        if backend == .uring, host.ioUringDisabled == 1 {
            reasons.append("kernel.io_uring_disabled is 1: io_uring is for root alone")
        }
        if backend == .threads, let limit = userThreadsMax,
            userThreadsUsed + 2 * target + Self.threadsKept > limit
        {
            reasons.append(
                "\(Count.format(2 * target)) threads are more than RLIMIT_NPROC"
                    + " (\(Count.format(limit))) allows to any user but root")
        }
        return reasons
    }

    fileprivate var capabilitiesKept: [(capability: Capability, reason: String)] {
        var kept: [(capability: Capability, reason: String)] = []
        if backend == .uring, let limit = lockedBytesMax, ringBytes > limit, has(.lockMemory) {
            kept.append(
                (
                    .lockMemory,
                    "rings may take \(Count.format(bytes: ringBytes)), RLIMIT_MEMLOCK allows"
                        + " \(Count.format(bytes: limit)) to a user"
                ))
        }
        if port > 0, Int(port) < portFirstFree, has(.bindService) {
            kept.append(
                (.bindService, "--port \(port) is below \(Count.format(portFirstFree))"))
        }
        return kept
    }

    /// Memory of all rings, generously: since Linux 6.14 it counts as locked memory of the user.
    private var ringBytes: Int {
        let limits = Limits()
        let each =
            Int(limits.submissionEntries) * (64 + 4) + Int(limits.completionEntries) * 16
            + Int(limits.ringBuffers) * 16 + 3 * 4_096
        let slots = min(Int(limits.ringSlots), ProcessCapacity.openFiles(host) ?? .max)
        // Of accepting workers up to twice as many as the slots ask for.
        let rings = 3 * (target / max(slots, 1) + workersPerSide) + 2
        return rings * each
    }

    private func has(_ capability: Capability) -> Bool {
        host.capabilities.map { $0 >> capability.rawValue & 1 == 1 } ?? true
    }
}

extension PrivilegeRule.Question {
    /// As the machine is now.
    init(
        _ plan: RunPlan, _ host: HostFacts, backend: BackendKind, target: Int, workersPerSide: Int
    ) throws(UserAccountError) {
        let files = HostFiles(root: "")
        account =
            try plan.user.map { name throws(UserAccountError) in
                try UserAccount(parsing: name)
            } ?? UserAccount(number: UserAccount.nobodyID)
        self.host = host
        self.backend = backend
        self.target = target
        self.workersPerSide = workersPerSide
        keepsPrivileges = plan.keepsPrivileges == true
        port = plan.port
        portFirstFree = files.integer("/proc/sys/net/ipv4/ip_unprivileged_port_start") ?? 1_024
        lockedBytesMax = Self.hardLimit(CLinux_RLIMIT_MEMLOCK)
        userThreadsMax = Self.hardLimit(CLinux_RLIMIT_NPROC)
        // The look at all processes is for a backend that begins a thread for each connection.
        if backend == .threads {
            userThreadsUsed = HostFacts.threads(ofUser: account.userID, files) ?? 0
        }
        isMapped =
            Self.maps(files.text("/proc/self/uid_map"), account.userID)
            && Self.maps(files.text("/proc/self/gid_map"), account.groupID)
    }

    private static func hardLimit(_ resource: CInt) -> Int? {
        var hard: UInt64 = 0
        // Cannot fail for a resource that exists.
        guard CLinux_get_hard_limit(resource, &hard) >= 0 else { return nil }
        return hard > UInt64(Int.max) ? nil : Int(hard)
    }

    /// Whether an id is in a table of user_namespaces(7): first inside, first outside, count.
    static func maps(_ table: String?, _ id: UInt32) -> Bool {
        guard let table else { return true }
        return table.split(separator: "\n").contains { line in
            let columns = line.split(separator: " ").compactMap { UInt64($0) }
            return columns.count == 3 && UInt64(id) >= columns[0]
                && UInt64(id) - columns[0] < columns[2]
        }
    }
}
