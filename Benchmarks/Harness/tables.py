"""Markdown from samples: medians, ratios to the floor within a round, and their intervals."""

from statistics import median

from candidates import ENGINES, FLOORS, OTHERS, REFERENCE
from samples import ROUNDS_FOR_INTERVAL, interval, ratios

# Key of the samples, title of the row, digits after the point, and whether a ratio says anything.
CONNECT_ROWS = [
    ("connects_per_second", "connects/s", 0, True),
    ("server_cpu_us_per_connect", "server CPU per connect, µs", 1, True),
    ("user_bytes_silent", "user B per connection, silent", 0, False),
    ("user_bytes_spoken", "user B, after an echo", 0, False),
    ("kernel_bytes_silent", "kernel B, server's end, silent", 0, True),
    ("kernel_bytes_spoken", "kernel B, after an echo", 0, True),
]
ECHO_ROWS = [
    ("echoes_per_second", "echoes/s", 0, True),
    ("cpu_us_per_echo", "server CPU per echo, µs", 2, True),
]


def table(header, rows):
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value, digits):
    return f"{value:,.{digits}f}"


def ratio(values, reference):
    """The median ratio with its 95 % interval, or, with too few rounds, its spread."""
    within = ratios(values, reference)
    text = f"×{median(within):.2f}"
    if len(within) >= ROUNDS_FOR_INTERVAL:
        return text + " [{:.2f}, {:.2f}]".format(*interval(within))
    return text + (f" ({min(within):.2f}..{max(within):.2f})" if len(within) > 1 else "")


def cell(values, reference, digits, has_ratio):
    """The median, and beneath it the ratio to the floor or, for the floor itself, the spread."""
    text = number(median(values), digits)
    if has_ratio and reference is not None and min(reference) > 0:
        return f"{text}<br>{ratio(values, reference)}"
    low, high = number(min(values), digits), number(max(values), digits)
    return text if low == high else f"{text}<br>({low}..{high})"


def rows(samples, measures, prefix, candidates):
    result = []
    for key, title, digits, has_ratio in measures:
        cells = [f"{prefix}: {title}"]
        for candidate in candidates:
            own = samples.get(candidate.key)
            if own is None:
                cells.append("not installed")
            else:
                base = None if candidate.key == REFERENCE else samples[REFERENCE][key]
                cells.append(cell(own[key], base, digits, has_ratio))
        result.append(cells)
    return result


def comparison(result):
    """The one table: a column per server, a row per measure."""
    candidates = FLOORS + ENGINES + OTHERS
    lines = rows(result["connect"], CONNECT_ROWS,
                 f"connect to {result['plan']['connect']['connections']:,}", candidates)
    for connections, samples in result["echo"].items():
        lines += rows(samples, ECHO_ROWS, f"echo, {int(connections):,}", candidates)
    return table([""] + [candidate.title for candidate in candidates], lines)


def own_floor(result):
    """The engine against the C program on the same kernel interface: the price of the engine."""
    measured = [candidate for candidate in ENGINES if candidate.key != "threads"]
    lines = []
    sections = [("connect", result["connect"], CONNECT_ROWS[:2])]
    sections += [(f"echo, {int(n):,}", samples, ECHO_ROWS) for n, samples in result["echo"].items()]
    for prefix, samples, measures in sections:
        for key, title, _, _ in measures:
            lines.append([f"{prefix}: {title.split(',')[0]}"] + [
                ratio(samples[candidate.key][key], samples[candidate.floor][key])
                for candidate in measured])
    return table([""] + [f"{candidate.title} : C" for candidate in measured], lines)


def holders(result):
    reference = next(iter(result["hold"].values()))["connects_per_second"]
    lines = []
    for name, samples in result["hold"].items():
        values = samples["connects_per_second"]
        lines.append([name, number(median(values), 0),
                      f"{number(min(values), 0)}..{number(max(values), 0)}",
                      "reference" if values is reference else ratio(values, reference)])
    return table(["client", "connects/s", "spread", "ratio"], lines)


def client_shares(result):
    """How busy the client was: near 100 % the throughput is the client's."""
    return ", ".join(f"{samples[REFERENCE]['client_cpu_share']:.0%} at {int(n):,}"
                     for n, samples in result["echo"].items())


def fact_lines(facts):
    gib = facts["memory_bytes"] / 2**30
    load = ", ".join(f"{value:.2f}" for value in facts["load_average_before"])
    changed = " with uncommitted changes" if facts["uncommitted_changes"] else ""
    return "\n".join([
        f"- command: `{facts['command']}`",
        f"- commit {facts['commit']}{changed}, {facts['date']}",
        f"- {facts['processors']} x {facts['processor']}, {gib:.1f} GiB, Linux {facts['kernel']}, "
        f"descriptor limit {facts['descriptor_limit']:,}",
        f"- load average before: {load} (the build included); just before the start "
        f"{facts['busy_share_before']:.0%} of the processors were busy",
        "- " + "; ".join(f"{name}: {text}" for name, text in facts["versions"].items()),
    ])
