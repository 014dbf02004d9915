#!/usr/bin/env bash
# Starts the example echo server on each backend and sends it something.
set -euo pipefail
cd "$(dirname "$0")/.."
server=Examples/EchoServer/.build/release/echo-server

lines=$(wc -l <Examples/EchoServer/Sources/echo-server/EchoServer.swift)
test "$lines" -lt 80 || { echo "the example has $lines lines, 80 are too many" >&2; exit 1; }

for backend in uring epoll threads; do
    log=$(mktemp)
    "$server" "$backend" 0 5 >"$log" &
    pid=$!
    for _ in $(seq 100); do
        grep -q listening "$log" && break
        sleep 0.05
    done
    port=$(sed -n 's/.*127\.0\.0\.1:\([0-9]*\).*/\1/p' "$log")
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'hello %s\n' "$backend" >&3
    IFS= read -r -t 5 answer <&3
    exec 3>&-
    test "$answer" = "hello $backend" || { echo "$backend answered '$answer'" >&2; exit 1; }
    wait "$pid"
    rm -f "$log"
    echo "example: $backend echoes"
done

# Without an address it listens on 127.0.0.1, as above; for another one it warns.
own=$("$server" epoll 127.0.0.2:0 0 2>&1)
open=$(unshare -n "$server" epoll 0.0.0.0:0 0 2>&1)
case $own in *warning*) echo "a warning of loopback: $own" >&2; exit 1 ;; esac
case $open in
"warning: 0.0.0.0:0: other machines"*) echo "example: warns of an address that others reach" ;;
*) echo "no warning of an address that other machines reach: $open" >&2; exit 1 ;;
esac
