// One shell script that makes the doctor's changes, and takes them back.

/// Why no script can be made; names the change.
public enum FixScriptError: Error, Hashable, Sendable, CustomStringConvertible {
    case badName(String)
    /// The script only adds room. What lowers a value, or is no number, a person must judge.
    case notARaise(HostChange)

    public var description: String {
        switch self {
        case .badName(let name): "'\(name)' is not the name of a sysctl"
        case .notARaise(let change):
            "\(change.name): from \(change.present) to \(change.wanted) is not a raise"
        }
    }
}

/// A POSIX shell script for `sh fix.sh apply` and `sh fix.sh revert`.
///
/// 1. It only raises values (a port range it only widens).
/// 2. `apply` writes nothing unless every value is still the one that the script was made for, or
///    has the new value already.
/// 3. `revert` puts the old values back, the last first, where the present one is the new one.
/// 4. The limit of open files is explained and never set: it belongs in the set-up of the server.
public struct FixScript: Hashable, Sendable {
    /// A limit of open files that a server needs.
    public struct OpenFiles: Codable, Hashable, Sendable {
        public let wanted: Int
        /// fs.nr_open at the time of applying: no hard limit may be above it.
        public let perProcessMax: Int
        /// For limits.conf; `*` for everyone but root.
        public let user: String
        public let reason: String

        public init(wanted: Int, perProcessMax: Int, user: String = "*", reason: String) {
            self.wanted = wanted
            self.perProcessMax = perProcessMax
            self.user = user
            self.reason = reason
        }
    }

    public let changes: [HostChange]
    public let openFiles: OpenFiles?
    /// Put in front of every path; empty but for tests.
    private let root: String

    /// The script with mode 0755, as it shall be written.
    public var text: String {
        ([header] + (openFiles.map { [limits($0)] } ?? []) + [functions, tables, main])
            .joined(separator: "\n")
    }

    public init(changes: [HostChange], openFiles: OpenFiles? = nil) throws(FixScriptError) {
        try self.init(changes: changes, openFiles: openFiles, root: "")
    }

    init(changes: [HostChange], openFiles: OpenFiles? = nil, root: String) throws(FixScriptError) {
        for change in changes {
            guard change.change.path != nil else { throw .badName(change.name) }
            guard change.change.raises else { throw .notARaise(change) }
        }
        self.changes = changes
        self.openFiles = openFiles
        self.root = root
    }
}

extension FixScript {
    private var header: String {
        """
        #!/bin/sh
        # Made by 'uring-bench doctor' for this machine as it is now.
        #
        #   sh fix.sh apply    raises the values below; needs root
        #   sh fix.sh revert   puts the values back that were there before
        #
        # Nothing is lowered. 'apply' changes nothing when a value is no longer the one that
        # this script was made for; 'revert' leaves a value that someone else has changed.
        # The changes last until the machine restarts. To keep them, put these lines into
        # /etc/sysctl.d/90-connections.conf:
        #
        \(changes.map { "#   \($0.name) = \($0.wanted)\n" }.joined())#
        """
    }

    private func limits(_ files: OpenFiles) -> String {
        let warning = """
            # THE LIMIT OF OPEN FILES IS NOT SET HERE: it belongs to the server's own set-up.
            #
            # !!! Never set a hard nofile above fs.nr_open. The kernel refuses it, PAM then
            # !!! refuses the login of every user whom the line names, and YOU ARE LOCKED OUT.
            # !!! Raise fs.nr_open first, make it last over a restart (see above), and keep a
            # !!! root shell open until a second login has worked.
            #
            \(comment(files.reason))
            """
        guard files.wanted <= files.perProcessMax else {
            return warning + """
                \n# The server needs \(files.wanted), which is above fs.nr_open \
                (\(files.perProcessMax)). No lines are
                # given here for that reason: raise fs.nr_open and make a new script.
                #
                """
        }
        return warning + """
            \n# A service of systemd: 'systemctl edit NAME', then restart it:
            #
            #   [Service]
            #   LimitNOFILE=\(files.wanted)
            #
            # Programs started from a login: /etc/security/limits.d/90-connections.conf:
            #
            #   \(files.user) soft nofile \(files.wanted)
            #   \(files.user) hard nofile \(files.wanted)
            #
            # fs.nr_open must then stay at \(files.wanted) or above\
            \(files.perProcessMax > files.wanted ? " (it is \(files.perProcessMax))" : "").
            #
            """
    }

    private var functions: String {
        """
        # The functions are called by the names that 'each' is given.
        # shellcheck disable=SC2317
        set -u
        failed=0

        say() { printf '%s\\n' "$*"; }
        complain() {
            printf 'fix.sh: %s\\n' "$*" >&2
            failed=1
        }

        # The value in a file, with single blanks between its numbers.
        present() { tr '\\t' ' ' 2>/dev/null <"$1" | tr -s ' ' | sed 's/^ //; s/ $//'; }

        # Each of these is called with: name, file, old value, new value.
        check() {
            now=$(present "$2")
            if [ "$now" = "$4" ] || [ "$now" = "$3" ]; then return; fi
            complain "$1 is '$now', not '$3' as when this script was made: make a new one"
        }
        raise() {
            if [ "$(present "$2")" = "$4" ]; then
                say "$1 is $4 already"
                return
            fi
            put "$1" "$2" "$4" && say "$1 raised from $3 to $4"
        }
        restore() {
            now=$(present "$2")
            if [ "$now" = "$3" ]; then
                say "$1 is $3 already"
            elif [ "$now" != "$4" ]; then
                complain "$1 is '$now', neither '$3' nor '$4': someone changed it, left as it is"
            elif allowed "$1" "$3"; then
                put "$1" "$2" "$3" && say "$1 put back from $4 to $3"
            fi
        }
        put() {
            printf '%s\\n' "$3" 2>/dev/null >"$2" && [ "$(present "$2")" = "$3" ] && return
            complain "$1 could not be set to $3 (a container? see $2)"
            return 1
        }
        \(allowed)
        """
    }

    /// Taking fs.nr_open back below a hard limit that was set meanwhile would lock users out.
    private var allowed: String {
        guard changes.contains(where: { $0.name == "fs.nr_open" }) else {
            return "allowed() { :; }\n"
        }
        let folder = Self.quoted("\(root)/etc/security")
        return """
            # fs.nr_open must not go below a limit of open files that logins are given.
            allowed() {
                [ "$1" = fs.nr_open ] || return 0
                above=$(cat \(folder)/limits.conf \(folder)/limits.d/*.conf 2>/dev/null |
                    awk -v max="$2" '$1 !~ /^#/ && $3 == "nofile" && $4 + 0 > max + 0' | head -n 1)
                [ -z "$above" ] && return 0
                complain "fs.nr_open stays: below it, this line would lock users out: $above"
                return 1
            }

            """
    }

    private var tables: String {
        let forward = changes.map { "\(comment($0, indent: 4))\n    \(call($0))" }
        let backward = changes.reversed().map { "    \(call($0))" }
        return """
            # Calls "$1" for each value.
            each() {
                :
            \(forward.joined(separator: "\n"))
            }
            # The same, the last first.
            each_backward() {
                :
            \(backward.joined(separator: "\n"))
            }

            """
    }

    private var main: String {
        // A made-up machine needs no privilege.
        let rootCheck = """
            if [ "$(id -u)" != 0 ]; then
                complain "needs root: sudo sh fix.sh ${1:-apply}"
                exit 1
            fi

            """
        return """
            case "${1-}" in
            apply | revert) ;;
            *)
                say "usage: sh fix.sh apply | revert" >&2
                exit 64
                ;;
            esac
            \(root.isEmpty ? rootCheck : "")
            if [ "$1" = revert ]; then
                each_backward restore
                exit "$failed"
            fi
            each check
            if [ "$failed" != 0 ]; then
                say "fix.sh: nothing was changed" >&2
                exit 1
            fi
            each raise
            [ "$failed" = 0 ] || say "fix.sh: take the rest back with: sh fix.sh revert" >&2
            exit "$failed"

            """
    }

    private func call(_ change: HostChange) -> String {
        let file = root + (change.change.path ?? "")
        return [change.name, file, change.present, change.wanted].map(Self.quoted)
            .reduce("\"$1\"") { "\($0) \($1)" }
    }

    private func comment(_ change: HostChange, indent: Int) -> String {
        comment("\(change.reason) (\(change.origin))", indent: indent)
    }

    /// Words, broken into comment lines of 88 columns. No line end of the text survives.
    private func comment(_ text: String, indent: Int = 0) -> String {
        let prefix = String(repeating: " ", count: indent) + "#"
        var lines = [prefix]
        for word in text.split(whereSeparator: { $0.isWhitespace || $0.isNewline }) {
            if lines[lines.count - 1].count + 1 + word.count > 88 { lines.append(prefix) }
            lines[lines.count - 1] += " \(word)"
        }
        return lines.joined(separator: "\n")
    }

    private static func quoted(_ text: String) -> String {
        "'\(text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''"))'"
    }
}
