"""What the commands read and write: plans and results."""

import json
import sys
from pathlib import Path

from candidates import ROOT, Failed
from measure import say


def add_plan(parser, name):
    parser.add_argument("--plan", type=Path, default=ROOT / f"Benchmarks/Plans/{name}.json",
                        help="rounds and numbers of connections (Benchmarks/Plans/*.json)")


def add_output(parser, name):
    parser.add_argument("--output", type=Path, metavar="PATH",
                        help=f"writes PATH.md and PATH.json (Benchmarks/Results/{name}; of another "
                        f"than the usual plan out/{name}-PLAN)")


def output(arguments, parser, name):
    """What is published comes from the usual plan only; a smoke run must not take its place."""
    if arguments.output:
        return arguments.output
    if arguments.plan == parser.get_default("plan"):
        return ROOT / "Benchmarks/Results" / name
    return ROOT / "out" / f"{name}-{arguments.plan.stem}"


def read_plan(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Failed(f"the plan {path} cannot be read: {error}") from error


def warning_lines(warnings):
    return "".join(f"**Warning:** {text}.\n\n" for text in warnings)


def publish(path, page, result):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".md").write_text(page)
    path.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    print(page)
    say(f"written: {path.with_suffix('.md')} and .json")


def run(name, main):
    """Ends the process as `main` says; what is out of our hands is one line, not a trace."""
    try:
        sys.exit(main())
    except Failed as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"{name}: interrupted, nothing is written", file=sys.stderr)
        sys.exit(130)
