#!/usr/bin/env python3
"""Plants bugs in a copy of the engine, one of each class, and asks the simulation to find each.

Usage: mutations.py [--seeds N] [--build FOLDER]
Ends with 1 when a bug is not found within N seeds, or when the copy without a bug fails.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Name, file below Sources/ConnectionEngine, what stands there, what shall stand there instead.
MUTATIONS = [
    ("stale-generation-accepted", "ConnectionTable.swift",
     "slot.pointee.generation == id.generation, unsafe slot.pointee.state != .free",
     "(slot.pointee.generation == id.generation || PLANTED),"
     " unsafe slot.pointee.state != .free"),
    ("buffer-returned-twice", "Backends/URingConnections.swift",
     "        pool.putBack(buffer)\n"
     "        if unsafe slot.pointee.state == .terminating { return unsafe try finish(id, slot) }\n"
     "        unsafe try receiveEnded(result, id, slot)",
     "        pool.putBack(buffer)\n"
     "        if PLANTED, pool.freeCount < pool.count { pool.putBack(buffer) }\n"
     "        if unsafe slot.pointee.state == .terminating { return unsafe try finish(id, slot) }\n"
     "        unsafe try receiveEnded(result, id, slot)"),
    ("re-arm-lost", "Backends/URingConnections.swift",
     "            counters.rearms += 1\n            unsafe try awaitBytes(id, slot)",
     "            counters.rearms += 1\n            if !PLANTED { unsafe try awaitBytes(id, slot) }"),
    ("slot-reused-in-flight", "Backends/URingConnections.swift",
     "        guard unsafe slot.pointee.inFlight == 0, unsafe slot.pointee.sendHead == .none\n",
     "        guard unsafe (slot.pointee.inFlight == 0 || PLANTED),"
     " unsafe slot.pointee.sendHead == .none\n"),
    ("overflow-dropped", "Backends/URing.swift",
     "var hasOverflow: Bool { flagWord & CLiburing_SQ_CQ_OVERFLOW != 0 }",
     "var hasOverflow: Bool { flagWord & CLiburing_SQ_CQ_OVERFLOW != 0 && !PLANTED }"),
    ("short-send-ignored", "Backends/URingConnections.swift",
     "if result < 0 || UInt32(result) < remaining {",
     "if result < 0 || UInt32(result) < remaining && !PLANTED {"),
    ("closed-twice", "Backends/EpollSending.swift",
     "        let reason = unsafe CloseReason(code: slot.pointee.closeCode)\n",
     "        if PLANTED, unsafe slot.pointee.fd >= 0 { Kernel.close(unsafe slot.pointee.fd) }\n"
     "        let reason = unsafe CloseReason(code: slot.pointee.closeCode)\n"),
    ("no-buffers-re-arm-missed", "Backends/URingConnections.swift",
     "            unsafe slot.pointee.flags.insert(.starved)\n            starved.append(id)\n",
     "            unsafe slot.pointee.flags.insert(.starved)\n"
     "            if !PLANTED { starved.append(id) }\n"),
    # Beyond the eight: the one that the simulation found in the engine itself.
    ("sleeps-with-entries-queued", "Backends/URingBackend.swift",
     "return rings[index].ready > 0 || rings[index].pending > 0",
     "return rings[index].ready > 0 || rings[index].pending > 0 && !PLANTED"),
    # As it was: neither what is left in the queue nor an interrupted entry kept it awake.
    ("sleeps-with-entries-queued", "Backends/URingBackend.swift",
     "if try !enter(index, minComplete: 0, timeout: 0) { return true }",
     "if try !enter(index, minComplete: 0, timeout: 0), !PLANTED { return true }"),
]

PACKAGE = """// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "mutations",
    targets: [
        .systemLibrary(name: "CLiburing", path: "Vendor-shims/CLiburing", pkgConfig: "liburing"),
        .systemLibrary(name: "CLinux", path: "Vendor-shims/CLinux"),
        .executableTarget(
            name: "mutations", dependencies: ["CLiburing", "CLinux"], path: "Sources",
            swiftSettings: [.swiftLanguageMode(.v6)]),
    ]
)
"""


def copy(build):
    """Lays out the package: the engine without its kernel, the simulation, this folder's main."""
    sources = build / "Sources"
    shutil.rmtree(sources, ignore_errors=True)
    shutil.copytree(ROOT / "Sources/ConnectionEngine", sources / "Engine",
                    ignore=shutil.ignore_patterns("Kernel"))
    for folder in ("Kernel", "World"):
        shutil.copytree(ROOT / "Tests/Simulation" / folder, sources / folder)
    shutil.copy(ROOT / "Tests/Mutations/Main.swift", sources)
    shutil.rmtree(build / "Vendor-shims", ignore_errors=True)
    shutil.copytree(ROOT / "Vendor-shims", build / "Vendor-shims")
    (build / "Package.swift").write_text(PACKAGE)


def plant(build):
    for name, file, old, new in MUTATIONS:
        path = build / "Sources/Engine" / file
        text = path.read_text()
        if text.count(old) != 1:
            sys.exit(f"mutations: {file} does not have once what {name} changes:\n{old}")
        path.write_text(text.replace(old, new.replace("PLANTED", f'Mutation.isPlanted("{name}")')))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="at most so many for each bug")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / ".build-mutations")
    options = parser.parse_args()
    options.build.mkdir(parents=True, exist_ok=True)
    copy(options.build)
    plant(options.build)
    build = ["swift", "build", "-c", "release", "--package-path", str(options.build)]
    made = subprocess.run(build, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode != 0:
        print(made.stdout)
        sys.exit("mutations: the copy does not build")
    program = options.build / ".build/release/mutations"
    failed = False
    # A bug may need more than one place.
    for name in ["none"] + list(dict.fromkeys(mutation[0] for mutation in MUTATIONS)):
        seeds = options.seeds // 10 if name == "none" else options.seeds
        try:
            result = subprocess.run([program, name, str(seeds)], capture_output=True, text=True,
                                    timeout=600)
        except subprocess.TimeoutExpired:
            result = None
        if result is None:
            said, found = "did not end in 600 s", True
        elif result.returncode < 0 or result.returncode > 1:
            # A trap of the engine's own preconditions has found it.
            lines = [line for line in result.stderr.splitlines() if "atal error" in line]
            said, found = (lines or ["crashed"])[0], True
        else:
            said, found = result.stdout.strip(), result.returncode == 0
        print(f"{name:30} {said}")
        if found == (name == "none"):
            failed = True
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
