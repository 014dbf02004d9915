// The program: one target, chosen by FUZZ_TARGET, under libFuzzer's driver.

import FuzzTargets
import FuzzToolTargets
import Glibc

/// libFuzzer's own `main`, which SwiftPM's name for the entry of a program keeps out.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ target: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

private let targets = FuzzTarget.library + FuzzTarget.tool

private let chosen: FuzzTarget = {
    let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
    if let target = targets.first(where: { $0.name == name }) { return target }
    print("FUZZ_TARGET is '\(name)'; targets are:\n\(targets.map(\.name).joined(separator: "\n"))")
    exit(name == "list" ? 0 : 64)
}()

/// The name by which libFuzzer calls a target; its archive asks for it whether it is called or not.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    chosen.run([UInt8](UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}

@main
struct FuzzParsers {
    static func main() {
        _ = chosen
        var count = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        exit(runDriver(&count, &arguments) { testOneInput($0, $1) })
    }
}
