// Runs seeds with one bug planted, until the simulation finds it.

import Glibc

/// The bugs that `mutations.py` plants, each behind a question to this.
enum Mutation {
    nonisolated(unsafe) static var planted = ""

    @inline(never)
    static func isPlanted(_ name: String) -> Bool { planted == name }
}

@main
struct Mutations {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count == 3, let seedsMax = UInt64(arguments[2]) else {
            print("usage: mutations NAME SEEDS (NAME none: no bug)")
            exit(64)
        }
        Mutation.planted = arguments[1]
        for seed in 1...seedsMax {
            let outcome = Simulation.run(seed: seed)
            guard let first = outcome.violations.first else { continue }
            print("found by seed \(seed): \(first)")
            exit(0)
        }
        print("not found in \(seedsMax) seeds")
        exit(1)
    }
}
