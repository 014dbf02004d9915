#!/usr/bin/env python3
"""The engine against a stored baseline, by ratios to the floor: it holds on another machine.

The commands behind `make bench-regression` and `make bench-baseline`. Exit codes: 0 no confirmed
regression, 98 a confirmed one, 1 anything else.
"""

import argparse
import json
from pathlib import Path
from statistics import median

import files
import machine
import measure
from candidates import ENGINES, FLOORS, ROOT, Failed
from samples import FEWEST, flat, interval, ratios, verdict
from tables import table

BASELINE = ROOT / "Benchmarks/Baselines/ratios.json"
LARGER_IS_BETTER = {"connects_per_second", "echoes_per_second"}
# The floor keeps almost nothing per connection, and bytes are the same on every machine.
ABSOLUTE = {"user_bytes_silent"}
# Added to these: of some 30 bytes a few pages for the whole process would be a third.
CUSHION = 64
TITLES = {
    "connects_per_second": "connects/s",
    "server_cpu_us_per_connect": "CPU per connect",
    "user_bytes_silent": f"user B per connection (no ratio, + {CUSHION})",
    "kernel_bytes_silent": "kernel B per connection",
    "echoes_per_second": "echoes/s",
    "cpu_us_per_echo": "CPU per echo",
}
REGRESSION = 98


def relative(samples, candidate, key):
    values = samples[candidate.key][key]
    if key in ABSOLUTE:
        return [max(value, 0.0) + CUSHION for value in values]
    if min(samples[candidate.floor][key]) <= 0:
        raise Failed(f"{TITLES[key]}: other programs freed more than the connections took: the "
                     "machine is too busy to measure on")
    return ratios(values, samples[candidate.floor][key])


def measured(plan, factor=1):
    """Samples per metric, `job/candidate/measure`, as a list per start of the servers.

    In the job of connecting every round has fresh servers, so each value is a list of its own.
    """
    judged = FLOORS[1:2] + ENGINES
    samples = {}
    connect = dict(plan["connect"], rounds=plan["connect"]["rounds"] * factor)
    answer = measure.connect(FLOORS + ENGINES, **connect)
    for key in ("connects_per_second", "server_cpu_us_per_connect", "user_bytes_silent",
                "kernel_bytes_silent"):
        for candidate in judged:
            name = f"connect {connect['connections']}/{candidate.key}/{key}"
            samples[name] = [[value] for value in relative(answer, candidate, key)]
    for part in plan["echo"]:
        for _ in range(plan["starts"] * factor):
            answer = measure.echo(FLOORS + ENGINES, **part)
            for key in ("echoes_per_second", "cpu_us_per_echo"):
                for candidate in judged:
                    name = f"echo {part['connections']}/{candidate.key}/{key}"
                    samples.setdefault(name, []).append(relative(answer, candidate, key))
    return samples


def floor_noise(samples, name):
    """How far the floor is from itself in the same job and measure; 0.05 is 5 %."""
    job, _, key = name.split("/")
    if key in ABSOLUTE:
        return 0.0
    return abs(median(flat(samples[f"{job}/floor-again/{key}"])) - 1)


def judge(baseline, samples, tolerances):
    """A row per metric of the baseline: name, both medians, verdict, worsening."""
    rows = []
    for name, old in baseline.items():
        job, candidate, key = name.split("/")
        if candidate == "floor-again":
            continue
        if name not in samples:
            raise Failed(f"the baseline has '{name}', which the plan does not measure: run "
                         "`make bench-baseline`")
        new, tolerance = samples[name], tolerances[key]
        word, worsening = verdict(old, new, tolerance, key in LARGER_IS_BETTER)
        if word == "regression" and floor_noise(samples, name) > tolerance:
            word = "cannot tell"
        rows.append((name, median(flat(old)), median(flat(new)), word, worsening, tolerance))
    return rows


def unconfirmed(row):
    """Found by the second measuring alone: nothing has confirmed it yet."""
    return (*row[:3], "cannot tell", *row[4:])


def markdown(rows):
    lines = []
    for name, old, new, word, (middle, low, high), tolerance in rows:
        job, candidate, key = name.split("/")
        digits = 0 if key in ABSOLUTE else 3
        lines.append([f"{job}, {candidate}: {TITLES[key]}", f"{old:.{digits}f}",
                      f"{new:.{digits}f}",
                      f"{middle - 1:+.1%} [{low - 1:+.1%}, {high - 1:+.1%}]", f"{tolerance:.0%}",
                      f"**{word}**" if word == "regression" else word])
    return table(["ratio to the floor", "baseline", "now", "worse by [95 %]", "tolerance",
                  "verdict"], lines)


def facts_of_quiet_machine(command, anyway):
    """On a busy machine even ratios move: a server of many threads suffers more than the floor."""
    facts = machine.facts(command)
    if facts["busy_share_before"] > machine.QUIET and not anyway:
        raise Failed(f"other programs keep {facts['busy_share_before']:.0%} of the machine busy, "
                     f"more than {machine.QUIET:.0%} spoil the verdict: end them, or pass --anyway")
    for warning in machine.warnings(facts):
        measure.say(f"warning: {warning}")
    return facts


def store(plan, path, anyway):
    facts = facts_of_quiet_machine("make bench-baseline", anyway)
    samples = measured(plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    rounded = {name: [[float(f"{value:.5g}") for value in start] for start in starts]
               for name, starts in samples.items()}
    # A metric a line: a change of the baseline can be read in a diff.
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(starts)}"
                       for name, starts in rounded.items())
    path.write_text(f'{{"schema": 1,\n "facts": {json.dumps(facts)},\n "warnings": '
                    f'{json.dumps(machine.warnings(facts))},\n "samples": {{\n{lines}\n }}}}\n')
    print(table(["ratio to the floor", "median", "95 % interval"], [
        [name, f"{median(flat(starts)):.3f}", "[{:.3f}, {:.3f}]".format(*interval(flat(starts)))]
        for name, starts in rounded.items()]))
    measure.say(f"written: {path}")


def compare(plan, path, anyway):
    try:
        stored = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Failed(f"no baseline to compare with: {error}: run `make bench-baseline`") from error
    facts = facts_of_quiet_machine("make bench-regression", anyway)
    rows = judge(stored["samples"], measured(plan), plan["tolerances"])
    if any(row[3] == "regression" for row in rows):
        print(markdown(rows), flush=True)
        suspected = {row[0] for row in rows if row[3] == "regression"}
        measure.say(f"{len(suspected)} suspected; once more with twice the rounds")
        rows = [row if row[0] in suspected or row[3] != "regression" else unconfirmed(row)
                for row in judge(stored["samples"], measured(plan, factor=2), plan["tolerances"])]
        print("\nOnce more, with twice the rounds:\n")
    print(markdown(rows))
    confirmed = [row[0] for row in rows if row[3] == "regression"]
    unknown = sum(row[3] == "cannot tell" for row in rows)
    print(f"\nCommit {facts['commit']} against {stored['facts']['commit']}: {len(confirmed)} "
          f"confirmed regressions, {unknown} of {len(rows)} cannot be told with these rounds.")
    return REGRESSION if confirmed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", action="store_true", help="measure and store a new baseline")
    files.add_plan(parser, "regression")
    parser.add_argument("--baseline", type=Path, default=BASELINE, help="the stored ratios")
    parser.add_argument("--anyway", action="store_true", help="measure on a busy machine too")
    arguments = parser.parse_args()
    plan = files.read_plan(arguments.plan)
    if plan["connect"]["rounds"] < FEWEST or any(
            plan["starts"] * part["rounds"] < FEWEST for part in plan["echo"]):
        raise Failed(f"the plan {arguments.plan} has fewer than {FEWEST} samples of a job: raise "
                     "its rounds or starts")
    needed = [candidate.title for candidate in FLOORS + ENGINES if not candidate.is_installed]
    if needed:
        raise Failed("not built: " + ", ".join(needed) + ": run it by `make bench-regression`")
    return (store if arguments.store else compare)(
        plan, arguments.baseline, arguments.anyway)


if __name__ == "__main__":
    files.run("bench-regression", main)
