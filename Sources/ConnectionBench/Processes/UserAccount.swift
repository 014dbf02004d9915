// A user that processes can become, by name or number.

import Glibc

/// Why a name stands for no user that a run can use; says what does.
public struct UserAccountError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
}

public struct UserAccount: Hashable, Sendable {
    /// As /etc/passwd has it; the number where it has none.
    public let name: String
    public let userID: UInt32
    public let groupID: UInt32

    /// The user who owns nothing, the same on every Linux; named in user namespaces for everybody
    /// who does not exist there.
    static let nobodyID: UInt32 = 65_534

    /// Reads `bench` or `1000`. A number needs no entry in /etc/passwd.
    ///
    /// - Throws: for a name that is unknown, and for root.
    public init(parsing text: String) throws(UserAccountError) {
        let account: UserAccount
        // 2^32 - 1 means "leave as it is" to the kernel.
        if let number = UInt32(text), number != .max {
            account = UserAccount(number: number)
        } else if let entry = getpwnam(text) {
            account = UserAccount(entry.pointee)
        } else {
            throw UserAccountError(
                description: "no such user: give a name of /etc/passwd or a number, for example"
                    + " nobody or 65534")
        }
        if account.userID == 0 || account.groupID == 0 {
            throw UserAccountError(
                description: "root's rights are what is given up; --keep-privileges keeps them")
        }
        self = account
    }

    /// The user with this number, and its own group.
    init(number: UInt32) {
        if let entry = getpwuid(number) {
            self.init(entry.pointee)
        } else {
            self.init(name: "\(number)", userID: number, groupID: number)
        }
    }

    private init(_ entry: passwd) {
        self.init(
            name: String(cString: entry.pw_name), userID: entry.pw_uid, groupID: entry.pw_gid)
    }

    init(name: String, userID: UInt32, groupID: UInt32) {
        self.name = name
        self.userID = userID
        self.groupID = groupID
    }
}
