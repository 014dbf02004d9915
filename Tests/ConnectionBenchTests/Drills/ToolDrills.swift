// Drills of the whole tool: its processes are stopped, killed, interrupted and starved on the real
// kernel, and it must end with the right code, a result, and nothing left behind.
// `Tests/DRILLS.md` lists them all.

import Testing

@testable import ConnectionBench

extension ToolTests {
    /// Each has a limit of 60 s in its short form, and a scan of the kernel's log after it.
    @Suite(.readsKernelLog, .kernelStaysQuiet, .timeLimit(DrillScale.limit)) struct ToolDrills {}
}
