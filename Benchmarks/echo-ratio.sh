#!/bin/sh
# Echo throughput and server CPU per echo: the example server against the C floor, in short turns.
#
#     Benchmarks/echo-ratio.sh [ROUNDS]
#
# All servers run at once on processor 0, connected throughout, and take turns of 300 ms; the client
# (Floor/echo_load) runs on processor 1. The second line of each table is the floor against itself:
# what differs by no more than that is noise. Echo servers end by themselves.
set -eu
rounds=${1:-21}
here=$(dirname "$0")
floor=$here/Floor/bin
example=$here/../Examples/EchoServer/.build/release/echo-server
pids=
trap 'for pid in $pids; do kill "$pid" 2>/dev/null || true; done' EXIT

compare() { # backend connections first-port
    "$floor/echo_$1" --port "$3" --cpu 0 --seconds 120 >/dev/null & a=$!
    "$floor/echo_$1" --port "$(($3 + 1))" --cpu 0 --seconds 120 >/dev/null & b=$!
    "$example" "$1" "$(($3 + 2))" 120 0 >/dev/null & c=$!
    pids="$pids $a $b $c"
    sleep 1
    echo "== $1, $2 connections"
    "$floor/echo_load" --connections "$2" --message 64 --slice-ms 300 --rounds "$rounds" --cpu 1 \
        "floor=$a@$3" "floor-again=$b@$(($3 + 1))" "engine=$c@$(($3 + 2))"
    for pid in $a $b $c; do kill "$pid" && wait "$pid" 2>/dev/null || true; done
    pids=
}

compare uring 64 7510
compare uring 1000 7520
compare epoll 64 7530
compare epoll 1000 7540
