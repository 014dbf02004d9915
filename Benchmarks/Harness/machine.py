"""What a result must say about where it comes from."""

import os
import platform
import resource
import subprocess
import time

from candidates import PEERS, ROOT


def said_by(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()
    except OSError:
        return ""


def first_line(text):
    return text.splitlines()[0] if text else ""


def value_in(path, name):
    with open(path) as file:
        for line in file:
            if line.startswith(name):
                return line.split(":", 1)[1].strip()
    return ""


def package_version(resolved, identity):
    import json
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
        "uncommitted_changes": bool(said_by("git", "status", "--porcelain")),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kernel": platform.release(),
        "processor": value_in("/proc/cpuinfo", "model name"),
        "processors": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "descriptor_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "load_average_before": list(os.getloadavg()),
        "versions": {name: version for name, version in versions.items() if version},
    }


def warnings(facts):
    """What spoils the figures, in plain words."""
    found = []
    if facts["load_average_before"][0] > 0.3 * facts["processors"]:
        found.append("other programs kept the machine busy before the start: a load average of "
                     f"{facts['load_average_before'][0]:.2f}")
    if facts["processors"] < 2:
        found.append("server and client shared one processor")
    if facts["uncommitted_changes"]:
        found.append("the sources have changes that the commit does not contain")
    return found
