// Which commit a checkout was at when something was built in it.

import Testing

@testable import ConnectionBench

@Suite struct CheckoutTests {
    private static let one = String(repeating: "1", count: 40)
    private static let two = String(repeating: "2", count: 40)
    private static let zero = String(repeating: "0", count: 40)

    private static func log(_ times: [(Int, String, String)]) -> String {
        times.map { "\($0.1) \($0.2) A Name <a@b.c> \($0.0) +0100\tcommit: words here\n" }.joined()
    }

    @Test("the log of moves tells the commit at the time of the build")
    func moves() throws {
        let folder = try FixtureDirectory([
            "/.git/HEAD": "ref: refs/heads/main\n", "/.git/refs/heads/main": Self.two + "\n",
            "/.git/logs/HEAD": Self.log([(100, Self.zero, Self.one), (200, Self.one, Self.two)]),
        ])
        let checkout = try #require(Checkout(folder: folder.path))
        #expect(checkout.commit(at: 150) == Self.one)
        #expect(checkout.commit(at: 200) == Self.two && checkout.commit(at: 999) == Self.two)
        // Built before the first move that is known.
        #expect(checkout.commit(at: 50) == nil)
    }

    @Test("without a log the present commit is told, from wherever it stands")
    func head() throws {
        let direct = try FixtureDirectory(["/.git/HEAD": Self.one + "\n"])
        #expect(Checkout(folder: direct.path)?.commit(at: 1) == Self.one)
        let packed = try FixtureDirectory([
            "/.git/HEAD": "ref: refs/heads/main\n",
            "/.git/packed-refs": "# pack-refs\n\(Self.two) refs/heads/main\n",
        ])
        #expect(Checkout(folder: packed.path)?.commit(at: 1) == Self.two)
    }

    @Test("a further worktree is followed to its repository")
    func worktree() throws {
        let main = try FixtureDirectory(["/git/HEAD": Self.two + "\n"])
        let tree = try FixtureDirectory(["/.git": "gitdir: \(main.path)/git\n"])
        #expect(Checkout(folder: tree.path)?.commit(at: 1) == Self.two)
    }

    @Test("a folder that is no checkout has no commit")
    func none() throws {
        let folder = try FixtureDirectory(["/.git": "nonsense\n"])
        #expect(Checkout(folder: folder.path) == nil)
        #expect(Checkout(folder: "/nonexistent") == nil)
    }
}
