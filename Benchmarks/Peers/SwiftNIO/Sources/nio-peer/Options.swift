// The command line that all peers share.

import Glibc

struct Options {
    enum Job: String { case echo, hold }

    var job = Job.echo
    var port = 0
    var cpu = 0
    var seconds: UInt32 = 0
    var connections = 9_000

    static let usage = """
        usage: nio-peer echo --port P --cpu C --seconds S
               nio-peer hold --port P --cpu C --seconds S [--connections N]
        """

    init(_ arguments: [String]) {
        if arguments.contains("--help") {
            print(Options.usage)
            exit(0)
        }
        guard arguments.count >= 2, let job = Job(rawValue: arguments[1]) else {
            fail("the job is echo or hold\n\(Options.usage)", code: 64)
        }
        self.job = job
        var rest = arguments.dropFirst(2)
        while let name = rest.popFirst() {
            guard let value = rest.popFirst() else { fail("\(name) takes a value", code: 64) }
            switch name {
            case "--port": port = Options.number(name, value, 1...65_535)
            case "--cpu": cpu = Options.number(name, value, 0...1_023)
            case "--seconds": seconds = UInt32(Options.number(name, value, 1...86_400))
            case "--connections" where job == .hold:
                connections = Options.number(name, value, 1...1_000_000)
            default: fail("\(name) is no option of \(job.rawValue)\n\(Options.usage)", code: 64)
            }
        }
        guard port > 0, seconds > 0 else {
            fail("--port and --seconds are needed\n\(Options.usage)", code: 64)
        }
    }

    private static func number(_ name: String, _ text: String, _ range: ClosedRange<Int>) -> Int {
        guard let value = Int(text), range.contains(value) else {
            fail(
                "\(name) takes a number from \(range.lowerBound) to \(range.upperBound), not "
                    + text, code: 64)
        }
        return value
    }
}
