#!/bin/sh
# The ramp to N connections: the tool against Floor/connect_uring, in turn, medians of RUNS.
#
#     Benchmarks/ramp-ratio.sh .build/release/uring-bench [N] [RUNS]
#
# Both hold the connections in one server and one client process with two threads each, on io_uring
# with direct descriptors. Wants a quiet machine with 5 GiB free for N = 500,000.
set -eu
tool=$1
conns=${2:-500000}
runs=${3:-3}
floor=$(dirname "$0")/Floor/bin/connect_uring
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The kernel frees the rings of a process that has ended in the background, for seconds. Whoever
# begins meanwhile is slowed down, so both wait until the last socket is freed, and a little more.
settle() {
    tries=0
    while [ "$(sed -n 's/^TCP:.* alloc \([0-9]*\).*/\1/p' /proc/net/sockstat)" -gt 1000 ] &&
        [ "$tries" -lt 120 ]; do
        sleep 0.5
        tries=$((tries + 1))
    done
    sleep 3
}

seconds_of_tool() {
    settle
    "$tool" --backend uring --conns "$conns" --steps "$conns" --probe 0 --hold 0 --no-sweep \
        --workers 2 --quiet --json "$folder/tool.json" >/dev/null
    sed -n 's/.*"rampSeconds" : \([0-9.]*\).*/\1/p' "$folder/tool.json" | head -n 1
}

seconds_of_floor() {
    settle
    "$floor" --conns "$conns" | sed -n 's/.*"seconds":\([0-9.]*\).*/\1/p'
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# One run of each that does not count: both then find the machine's memory touched before.
seconds_of_floor >/dev/null
seconds_of_tool >/dev/null
run=1
while [ "$run" -le "$runs" ]; do
    seconds_of_floor >>"$folder/floor"
    seconds_of_tool >>"$folder/tool"
    echo "run $run: floor $(tail -n 1 "$folder/floor") s, tool $(tail -n 1 "$folder/tool") s"
    run=$((run + 1))
done
floor_median=$(median <"$folder/floor")
tool_median=$(median <"$folder/tool")
echo "$conns connections, median of $runs: floor $floor_median s, tool $tool_median s, ratio" \
    "$(awk "BEGIN { printf \"%.2f\", $tool_median / $floor_median }")"
