"""The jobs: each calls a judge of Floor/ on running servers and hands its samples on."""

import json
import subprocess
import sys
import time

from candidates import (CLIENT_CPU, FLOOR, FLOORS, HOLDER, PEERS, SERVER_CPU, Failed, all_running,
                        running)


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def output(command, who):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode != 0:
        reason = result.stderr.strip().splitlines() or [f"ended with {result.returncode}"]
        raise Failed(f"{who}: {reason[-1]}")
    return json.loads(result.stdout)


def tcp_sockets():
    with open("/proc/net/sockstat") as file:
        for line in file:
            if line.startswith("TCP:"):
                return int(line.split()[line.split().index("alloc") + 1])
    raise Failed("/proc/net/sockstat has no TCP line")


def settle(before):
    """The kernel frees the sockets of a process that has ended in the background."""
    deadline = time.monotonic() + 20
    while tcp_sockets() > before + 100 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)


def in_turns(items, rounds):
    """A B C, C B A, and so on: nobody is always first."""
    for number in range(rounds):
        yield from items if number % 2 == 0 else items[::-1]


def echo(candidates, connections, rounds, slice_ms, message=64):
    """All servers stay up and connected and take turns; per candidate, a value for each round."""
    say(f"echo, {connections} connections, {rounds} rounds")
    before = tcp_sockets()
    with all_running(candidates) as servers:
        answer = output(
            [FLOOR / "echo_load", "--json", "--connections", connections, "--message", message,
             "--slice-ms", slice_ms, "--rounds", rounds, "--cpu", CLIENT_CPU,
             *(server.name for server in servers)], "echo_load")
    settle(before)
    return {
        row["name"]: {"echoes_per_second": row["rate_samples"],
                      "cpu_us_per_echo": row["cpu_samples"],
                      "client_cpu_share": row["client_cpu_share"]}
        for row in answer["candidates"]
    }


def gather(samples, key, row):
    for name, value in row.items():
        if isinstance(value, (int, float)) and name != "connections":
            samples.setdefault(key, {}).setdefault(name, []).append(value)


def connect(candidates, connections, rounds):
    """Each turn opens the connections to a fresh server."""
    say(f"connect to {connections}, {rounds} rounds")
    samples, before = {}, tcp_sockets()
    for candidate in in_turns(candidates, rounds):
        with running(candidate) as server:
            row = output([FLOOR / "connect_load", "--connections", connections, "--cpu", CLIENT_CPU,
                          server.name], "connect_load")
        gather(samples, candidate.key, row)
        settle(before)
    return samples


# Clients on the same job, against the same server.
HOLDERS = {
    "C, blocking": None,
    "engine, uring": [HOLDER, "uring"],
    "engine, epoll": [HOLDER, "epoll"],
    "SwiftNIO": [PEERS / "SwiftNIO/.build/release/nio-peer", "hold"],
}


def hold(connections, rounds):
    """Each turn is a fresh client that opens the connections to a fresh server, the epoll floor."""
    say(f"hold {connections}, {rounds} rounds")
    samples, before = {}, tcp_sockets()
    for name, first in in_turns(list(HOLDERS.items()), rounds):
        with running(FLOORS[0]) as server:
            if first is None:
                row = output([FLOOR / "connect_load", "--connections", connections, "--cpu",
                              CLIENT_CPU, server.name], "connect_load")
                row = {"connects_per_second": row["connects_per_second"]}
            else:
                row = output([*first, "--port", server.port, "--cpu", CLIENT_CPU, "--seconds", 1,
                              "--connections", connections], name)
            gather(samples, name, row)
        settle(before)
    return samples
