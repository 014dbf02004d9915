// A child that was started as root gives that up, before it makes its first thread or socket.

import CLinux
import ConnectionEngine
import Glibc

/// Which user a child becomes, and what it may do beside.
struct PrivilegeDrop: Codable, Hashable, Sendable {
    var userID: UInt32
    var groupID: UInt32
    /// Capabilities that are left, a bit each; most often none.
    var kept: UInt64 = 0

    /// Takes effect in the calling thread and in those that it starts from here on.
    ///
    /// - Precondition: it is the only thread of its process.
    /// - Throws: when the kernel refuses any part: half a drop is none.
    func apply() throws(SystemError) {
        let threads = (try? TextFile.names(in: "/proc/self/task"))?.count
        precondition(threads == nil || threads == 1, "threads before the drop: \(threads ?? 0)")
        // What is charged to a user is now charged to one who is bound by it.
        for resource in [CLinux_RLIMIT_MEMLOCK, CLinux_RLIMIT_NPROC] {
            try check("prlimit", CInt(CLinux_raise_soft_limit(resource)))
        }
        try check("prctl(PR_SET_KEEPCAPS)", CLinux_keep_capabilities(kept == 0 ? 0 : 1))
        try check("setgroups", CLinux_clear_groups())
        try check("setresgid", CLinux_set_group(groupID))
        try check("setresuid", CLinux_set_user(userID))
        try check("capset", CLinux_set_capabilities(kept))
        try check("prctl(PR_SET_NO_NEW_PRIVS)", CLinux_set_no_new_privileges())
        // The user may have other processes: they shall not look into this one.
        try check("prctl(PR_SET_DUMPABLE)", CLinux_set_dumpable(0))
        // A change of user takes the signal of the parent's end away.
        try check("prctl(PR_SET_PDEATHSIG)", CLinux_set_parent_death_signal(SIGKILL))
        precondition(geteuid() == userID && getegid() == groupID, "the drop did not take effect")
        precondition(CLinux_set_user(0) < 0, "root's rights could be taken back")
    }

    private func check(_ call: String, _ result: CInt) throws(SystemError) {
        if result >= 0 { return }
        throw SystemError(
            Errno(-result), call: call,
            remedy: "a child could not give root's rights up: --keep-privileges leaves them")
    }
}
