// What the engines on both sides are given: the options that every load shares.

import ArgumentParser
import ConnectionBench
import ConnectionEngine

struct EngineOptions: ParsableArguments {
    @Option(
        parsing: .unconditional, help: "Bytes of a buffer, 16 to 1,048,576 (default: 2,048).",
        transform: Allowed.buffer.parse)
    var buffer = 2_048

    @Option(
        parsing: .unconditional,
        help: "Workers per process on each side, 1 to 64 (default: one per processor).",
        transform: Allowed.workers.parse)
    var workers: Int?

    @Option(
        parsing: .unconditional,
        help: "Processes per side at most (default: as many as the limit of open files asks for).",
        transform: Allowed.processes.parse)
    var processes: Int?

    @Option(
        parsing: .unconditional,
        help: """
            How idle connections wait (io_uring): poll (256 B each), receive (864 B), or adaptive: \
            poll while idle, receive while busy.
            """)
    var idle: IdleMode = .adaptive

    @Option(
        name: .customLong("memory-floor"), parsing: .unconditional,
        help: "Bytes of available memory at which the ramp stops (default: 8 %, at least 1 GiB).",
        transform: Allowed.memoryFloor.parse)
    var memoryFloor: Int?

    @Option(
        name: .customLong("mask"), parsing: .unconditionalSingleValue,
        help: """
            Do without a kernel feature, to test its fallback: deferTaskRun, directDescriptors, \
            multishotAccept, multishotReceive, bind, minWait, restrictions. May be repeated.
            """, completion: .list(URingFeatures.all.names))
    var masked: [String] = []

    func check() throws {
        for name in masked where !URingFeatures.all.names.contains(name) {
            throw ValidationError(
                "--mask \(name): known are \(URingFeatures.all.names.joined(separator: ", "))")
        }
    }

    func apply(to plan: inout RunPlan) {
        plan.bufferByteCount = buffer
        plan.workers = workers
        plan.processes = processes
        plan.idleMode = idle
        plan.memoryFloorBytes = memoryFloor
        plan.maskedFeatures = masked
    }
}
