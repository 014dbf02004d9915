#!/usr/bin/env python3
"""The ramp to half a million connections: the tool against Floor/connect_uring, in turns.

The command behind `make bench-scale`. Both hold the connections in one server and one client
process with two threads each, on io_uring with direct descriptors.
"""

import argparse
import json
import subprocess
import tempfile
import time
from statistics import median

import files
import machine
import measure
from candidates import FLOOR, ROOT, Failed
from tables import fact_lines, number, ratio, table

TOOL = ROOT / ".build/release/uring-bench"
# A loopback connection takes 8.2 kB of kernel memory; the rest is for everybody else.
BYTES_PER_CONNECTION = 9_000
PAGE = """# The ramp to {connections:,} connections

{facts}

{warnings}One server and one client process with two threads each, on io_uring; in turns, after one
run of each that does not count. Rounds: {rounds}.

{table}
"""


def rest(before):
    """The kernel frees a dead process's rings for seconds; who begins meanwhile is slowed down."""
    deadline = time.monotonic() + 60
    while measure.tcp_sockets() > before + 1000 and time.monotonic() < deadline:
        time.sleep(0.5)
    time.sleep(3)


def seconds_of_floor(connections):
    return measure.output([FLOOR / "connect_uring", "--conns", connections],
                          "connect_uring")["seconds"]


def seconds_of_tool(connections):
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [TOOL, "--backend", "uring", "--conns", connections, "--steps", connections,
                   "--probe", 0, "--hold", 0, "--no-sweep", "--workers", 2, "--quiet", "--json",
                   file.name]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode != 0:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no reason"]
            raise Failed(f"uring-bench ended with {done.returncode}: {reason[-1]}")
        steps = json.load(open(file.name))["steps"]
    return sum(step["rampSeconds"] for step in steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    files.add_plan(parser, "scale")
    files.add_output(parser, "scale")
    arguments = parser.parse_args()
    plan = files.read_plan(arguments.plan)
    connections, rounds = plan["connections"], plan["rounds"]
    available = int(machine.value_in("/proc/meminfo", "MemAvailable").split()[0]) * 1024
    if available < connections * BYTES_PER_CONNECTION * 1.2:
        raise Failed(f"{connections:,} connections want "
                     f"{connections * BYTES_PER_CONNECTION * 1.2 / 2**30:.1f} GiB, "
                     f"{available / 2**30:.1f} are available: free memory, or lower the plan")
    facts = machine.facts("make bench-scale")
    warnings = machine.warnings(facts)
    runs = {"C, io_uring (floor)": seconds_of_floor, "uring-bench": seconds_of_tool}
    samples, before = {name: [] for name in runs}, measure.tcp_sockets()
    # Round 0 does not count: both then find the machine's memory touched before.
    for number_of_round in range(rounds + 1):
        for name, run in list(runs.items())[::1 if number_of_round % 2 else -1]:
            rest(before)
            seconds = run(connections)
            measure.say(f"round {number_of_round}, {name}: {seconds:.2f} s")
            if number_of_round:
                samples[name].append(seconds)
    reference = samples["C, io_uring (floor)"]
    lines = [[name, number(median(values), 2),
              f"{min(values):.2f}..{max(values):.2f}", number(connections / median(values), 0),
              "reference" if values is reference else ratio(values, reference)]
             for name, values in samples.items()]
    page = PAGE.format(
        connections=connections, rounds=rounds, facts=fact_lines(facts),
        warnings=files.warning_lines(warnings),
        table=table(["", "seconds", "spread", "connections/s", "ratio of seconds"], lines))
    files.publish(files.output(arguments, parser, "scale"), page, {
        "schema": 1, "facts": facts, "warnings": warnings, "plan": plan, "seconds": samples})


if __name__ == "__main__":
    files.run("bench-scale", main)
