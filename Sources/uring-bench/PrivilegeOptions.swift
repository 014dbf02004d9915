// Whom a run's server and client processes become when it is started as root.

import ArgumentParser
import ConnectionBench
import Glibc

struct PrivilegeOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: """
            Started as root, servers and clients become this user, a name or a number (default: \
            nobody), and give all rights up. Where a plan needs some of them the result says which, \
            and why.
            """)
    var user: String?

    @Flag(help: "Started as root, servers and clients stay root.")
    var keepPrivileges = false

    func check() throws {
        guard let user else { return }
        if keepPrivileges {
            throw ValidationError("--user and --keep-privileges: give one of them")
        }
        do {
            _ = try UserAccount(parsing: user)
        } catch {
            throw ValidationError("--user \(user): \(error)")
        }
        if geteuid() != 0 {
            throw ValidationError(
                "--user \(user): only root can start processes as another user; leave it out, and"
                    + " they run as the user who starts them")
        }
    }

    func apply(to plan: inout RunPlan) {
        plan.user = user
        plan.keepsPrivileges = keepPrivileges ? true : nil
    }
}
