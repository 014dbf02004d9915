#!/bin/sh
# Do the verdicts of `compare` earn their keep on this machine? The tool against itself (A/A), and
# against a build that wastes processor time in the echo path, 25 % of what an echo takes (A/B).
#
#     Benchmarks/Checks/ab-check.sh TOOL [COMPARISONS] [REPEATS] [RUN OPTIONS…]
#
# Default: 10 comparisons of each kind with 12 runs of each executable, on
# `--backend uring --conns 1000 --steps 1000 --probe 2 --hold 0`. Passes with at most 1 false verdict in
# 10 comparisons A/A, and with the slowdown found in at least 9 of 10. Wants a quiet machine: about 40
# minutes with the defaults, and a release build.
#
# The slow build is made from the last commit, in out/ab-check, with slow-echo.patch; how slow it is
# comes from URING_BENCH_SLOW_ECHO_NS, which the tool itself does not know. CONFIGURATION=debug
# builds it so, for a tool that is itself a debug build.
set -eu
[ $# -ge 1 ] || { sed -n '2,16s/^# \{0,1\}//p' "$0"; exit 64; }
tool=$1
comparisons=${2:-10}
repeats=${3:-12}
[ $# -le 3 ] && set -- || shift 3
[ $# -gt 0 ] || set -- --backend uring --conns 1000 --steps 1000 --probe 2 --hold 0
configuration=${CONFIGURATION:-release}
checks=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$checks/../.." && pwd)
work=$root/out/ab-check
checkout=$work/checkout
slow=$checkout/.build/$configuration/uring-bench
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

echo "building the slow executable from $(git -C "$root" rev-parse --short HEAD) ($configuration)"
mkdir -p "$checkout"
# What was built before is used again; sources are those of the commit, and nothing else.
find "$checkout" -mindepth 1 -maxdepth 1 ! -name .build -exec rm -rf {} +
git -C "$root" archive HEAD | tar -x -C "$checkout"
# In a directory below another repository git would apply nothing, and say nothing.
(cd "$checkout" && patch -s -p1 <"$checks/slow-echo.patch")
(cd "$checkout" && swift build -c "$configuration" --product uring-bench >"$work/build.log" 2>&1) ||
    { tail -n 20 "$work/build.log"; echo "the slow build failed"; exit 1; }

cpu_per_echo() {
    "$tool" "$@" --quiet --json "$results/calibration.json" >/dev/null
    sed -n 's/.*"serverMicrosecondsPerEcho" : \([0-9.]*\).*/\1/p' "$results/calibration.json" |
        tail -n 1
}
for run in 1 2 3; do cpu_per_echo "$@"; done | sort -n >"$results/calibration"
micros=$(sed -n 2p "$results/calibration")
[ -n "$micros" ] || { echo "no processor time per echo was measured: --probe 0?"; exit 1; }
nanos=$(awk "BEGIN { printf \"%d\", 250 * $micros }")
echo "an echo takes $(printf %.1f "$micros") us of the server; the slow one wastes $nanos ns more"

# Compares with the executable $1 under the other arguments. A regression is an answer (98); anything
# else ends the check.
compare() {
    new=$1
    shift
    code=0
    URING_BENCH_SLOW_ECHO_NS=$nanos "$tool" compare --run "$tool" "$new" --repeats "$repeats" \
        --quiet --fail-on 'server-cpu>5%' --json "$results/report.json" -- "$@" \
        >"$results/table" || code=$?
    [ "$code" = 0 ] || [ "$code" = 98 ] || { cat "$results/table"; echo "exit $code"; exit 1; }
}

ratio() { sed -n 's/^server CPU\/echo .* \(x[0-9.]*\) .*/\1/p' "$results/table" | head -n 1; }

false_verdicts=0
found=0
number=1
while [ "$number" -le "$comparisons" ]; do
    compare "$tool" "$@"
    verdict=none
    if grep -Eq '"verdict" : "(faster|slower)"' "$results/report.json"; then
        verdict=FALSE
        false_verdicts=$((false_verdicts + 1))
        grep -E ' (faster|slower|more|less)$' "$results/table" || true
    fi
    echo "A/A $number: server CPU per echo $(ratio), verdict: $verdict"
    compare "$slow" "$@"
    verdict=missed
    if [ "$code" = 98 ]; then
        verdict=slower
        found=$((found + 1))
    fi
    echo "A/B $number: server CPU per echo $(ratio), verdict: $verdict"
    number=$((number + 1))
done
echo "A/A: $false_verdicts of $comparisons comparisons had a false verdict (allowed: 1 of 10)"
echo "A/B: the slowdown was found in $found of $comparisons (asked for: 9 of 10)"
[ $((10 * false_verdicts)) -le "$comparisons" ] && [ $((10 * found)) -ge $((9 * comparisons)) ]
