"""What a result must say about where it comes from."""

import json
import os
import platform
import resource
import subprocess
import time

from candidates import PEERS, ROOT


# Of all processors' time; more than this, and somebody else is at work.
QUIET = 0.1


def said_by(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()
    except OSError:
        return ""


def first_line(text):
    return text.splitlines()[0] if text else ""


def busy_share(seconds=2):
    """Of all processors' time just now; a load average still contains the build before."""
    def ticks():
        with open("/proc/stat") as file:
            values = [int(word) for word in file.readline().split()[1:9]]
        return sum(values), values[3] + values[4]
    total, idle = ticks()
    time.sleep(seconds)
    total_after, idle_after = ticks()
    return 1 - (idle_after - idle) / max(total_after - total, 1)


def await_quiet(patience=60):
    """Waits until what was just built or measured has calmed down; the share that is busy then."""
    deadline = time.monotonic() + patience
    while (share := busy_share()) > QUIET and time.monotonic() < deadline:
        pass
    return share


def value_in(path, name):
    with open(path) as file:
        for line in file:
            if line.startswith(name):
                return line.split(":", 1)[1].strip()
    return ""


def package_version(resolved, identity):
    try:
        pins = json.loads(resolved.read_text())["pins"]
        return next(pin["state"]["version"] for pin in pins if pin["identity"] == identity)
    except (OSError, StopIteration, KeyError):
        return ""


def facts(command):
    """- Parameter command: how to get this result again."""
    versions = {
        "swift": first_line(said_by("swift", "--version")),
        "swift-nio": package_version(PEERS / "SwiftNIO/Package.resolved", "swift-nio"),
        "go": said_by("go", "version"),
        "libuv": said_by("pkg-config", "--modversion", "libuv"),
        "liburing": said_by("pkg-config", "--modversion", "liburing"),
        "gcc": first_line(said_by("gcc", "--version")),
    }
    return {
        "command": command,
        "commit": said_by("git", "rev-parse", "--short=10", "HEAD"),
        # What the commands themselves write is no change of what they measure.
        "uncommitted_changes": bool(said_by("git", "status", "--porcelain", "--", ".",
                                            ":!Benchmarks/Results", ":!Benchmarks/Baselines")),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kernel": platform.release(),
        "processor": value_in("/proc/cpuinfo", "model name"),
        "processors": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "descriptor_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "load_average_before": list(os.getloadavg()),
        "busy_share_before": await_quiet(),
        "versions": {name: version for name, version in versions.items() if version},
    }


def warnings(facts):
    """What spoils the figures, in plain words."""
    found = []
    if facts["busy_share_before"] > QUIET:
        found.append(f"other programs kept {facts['busy_share_before']:.0%} of the machine busy "
                     "just before the start")
    if facts["processors"] < 2:
        found.append("server and client shared one processor")
    if facts["uncommitted_changes"]:
        found.append("the sources have changes that the commit does not contain")
    return found
