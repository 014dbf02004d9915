#!/usr/bin/env python3
"""Ours against the floor and the peers on the same jobs, in turns: for `make bench-peers`."""

import argparse

import files
import machine
import measure
import tables
from candidates import ENGINES, FLOORS, HOLDER, OTHERS, ROOT, Failed
from samples import ROUNDS_FOR_INTERVAL

PAGE = """# Ours against the floor and the peers

{facts}

{warnings}Every server runs on processor {server}, the client on processor {client}; 64 B messages.
Beneath each median stands the ratio to the first column within a round, or the spread. Brackets are
95 % intervals, parentheses smallest..largest. The second column is the floor against itself: what
differs by no more than that is noise. How each server was built and tuned:
[Benchmarks/README.md](../README.md).

{comparison}

Connecting: a fresh server for each round ({connect_rounds} in all). Bytes are the slope between a
ninth of the connections and all of them; kernel bytes are the server's end of a connection alone.
Echoing: one request outstanding per connection, all servers up and connected, turns of {slice} ms.
The client's own CPU use, without softirq time: {shares}. Near 100 % the echoes/s are the client's,
and only the CPU per echo ranks the servers.

## The engine against the C program on the same kernel interface

{own_floor}

## Clients that hold connections

A fresh client opens {hold_connections:,} connections to the C epoll server. The C client
is a loop of blocking connects; the others have 256 in flight.

{holders}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    files.add_plan(parser, "full")
    files.add_output(parser, "peers")
    parser.add_argument("--quick", action="store_const", const=ROOT / "Benchmarks/Plans/quick.json",
                        dest="plan", help="the plan quick.json: a smoke run")
    arguments = parser.parse_args()
    plan = files.read_plan(arguments.plan)

    needed = [candidate for candidate in FLOORS + ENGINES if not candidate.is_installed]
    if needed or not HOLDER.exists():
        names = [candidate.title for candidate in needed] or ["engine-hold"]
        raise Failed(f"not built: {', '.join(names)}: run it by `make bench-peers`")
    missing = [candidate for candidate in OTHERS if not candidate.is_installed]
    for candidate in missing:
        measure.say(f"{candidate.title} is not installed, so its column stays empty")
    candidates = [c for c in FLOORS + ENGINES + OTHERS if c not in missing]

    name = arguments.plan.stem
    plan_option = "" if name == "full" else f" PLAN={name}"
    facts = machine.facts("make bench-peers" + plan_option)
    result = {
        "schema": 1, "facts": facts, "warnings": machine.warnings(facts), "plan": plan,
        "not_installed": [candidate.title for candidate in missing],
        "connect": measure.connect(candidates, **plan["connect"]),
        "hold": measure.hold(**plan["hold"]),
        "echo": {part["connections"]: measure.echo(candidates, **part) for part in plan["echo"]},
    }
    slow = sum(sum(samples["slow_connects"]) for samples in result["connect"].values())
    if slow:
        result["warnings"].append(f"{slow:.0f} connects took more than 100 ms: they were lost and "
                                  "sent again, or the machine stood still")
    rounds = min(part["rounds"] for part in [plan["connect"], plan["hold"], *plan["echo"]])
    if rounds < ROUNDS_FOR_INTERVAL:
        result["warnings"].append(f"a smoke run, the fewest rounds are {rounds}: an interval wants "
                                  f"{ROUNDS_FOR_INTERVAL}, a verdict more")
    page = PAGE.format(
        facts=tables.fact_lines(facts), server=measure.SERVER_CPU, client=measure.CLIENT_CPU,
        warnings=files.warning_lines(result["warnings"]),
        comparison=tables.comparison(result), own_floor=tables.own_floor(result),
        holders=tables.holders(result), shares=tables.client_shares(result),
        connect_rounds=plan["connect"]["rounds"], slice=plan["echo"][0]["slice_ms"],
        hold_connections=plan["hold"]["connections"])
    files.publish(files.output(arguments, parser, "peers"), page, result)


if __name__ == "__main__":
    files.run("bench-peers", main)
