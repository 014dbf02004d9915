#!/usr/bin/env python3
"""Line coverage of the engine by file, from what `swift test --enable-code-coverage` leaves.

    coverage.py JSON FLOOR

Prints each file of Sources/ConnectionEngine with its lines and those that no test has run, the
least covered first. Ends with 1 when the total is below FLOOR percent, with 2 when the file says
nothing of the engine.
"""

import json
import sys

FOLDER = "/Sources/ConnectionEngine/"


def uncovered(segments):
    """The lines on which a region begins that was never run, joined to ranges."""
    lines = sorted({line for line, _, count, has_count, is_entry, *_ in segments
                    if has_count and is_entry and count == 0})
    ranges = []
    for line in lines:
        if ranges and line <= ranges[-1][1] + 1:
            ranges[-1][1] = line
        else:
            ranges.append([line, line])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def main(path, floor):
    with open(path, encoding="utf-8") as file:
        files = json.load(file)["data"][0]["files"]
    rows = []
    for file in files:
        if FOLDER not in file["filename"]:
            continue
        lines = file["summary"]["lines"]
        rows.append((lines["covered"], lines["count"], file["filename"].split(FOLDER)[1],
                     uncovered(file["segments"])))
    total = sum(row[1] for row in rows)
    if total == 0:
        print(f"{path}: nothing of {FOLDER} in it", file=sys.stderr)
        return 2
    for covered, count, name, missing in sorted(rows, key=lambda row: row[0] / max(row[1], 1)):
        print(f"{100 * covered / max(count, 1):6.1f} %  {covered:4} of {count:4}  {name}"
              + (f"  not run from: {missing}" if missing else ""))
    covered = sum(row[0] for row in rows)
    percent = 100 * covered / total
    print(f"{percent:6.2f} %  {covered:4} of {total:4}  lines of the engine; the floor is {floor} %")
    if percent < floor:
        print(f"coverage: {percent:.2f} % is below {floor} %: the lines above need tests",
              file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        wanted = float(sys.argv[2])
    except ValueError:
        sys.exit(f"coverage.py: the floor is a percentage such as 92, not '{sys.argv[2]}'")
    sys.exit(main(sys.argv[1], wanted))
