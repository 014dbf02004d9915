#!/bin/sh
# Shows that echoing allocates nothing: counts malloc calls of the servers while they are busy.
#
#     Benchmarks/allocations.sh TOOL
#
# First the example server on each backend under closed-loop load from the C client, then server and
# client processes of a probe of the tool. The window lies inside the load, seconds 3 to 5.
set -eu
tool=$1
here=$(dirname "$0")
floor=$here/Floor/bin
example=$here/../Examples/EchoServer/.build/release/echo-server
export COUNT_MALLOC=3:5
port=7600
for backend in uring epoll threads; do
    LD_PRELOAD=$floor/count_malloc.so "$example" "$backend" "$port" 8 0 &
    pid=$!
    sleep 1
    "$floor/echo_load" --connections 64 --message 64 --slice-ms 1000 --rounds 5 --cpu 1 \
        "$backend=$pid@$port" | sed -n '3p'
    wait "$pid"
    port=$((port + 1))
    LD_PRELOAD=$floor/count_malloc.so "$tool" --backend "$backend" --conns 500 --steps 500 \
        --probe 6 --rate 5000 --hold 0 --quiet | sed -n '5p'
done
