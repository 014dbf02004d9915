#!/usr/bin/env bash
# Our C under the address and the undefined-behaviour sanitizer: the shims' headers, and short runs of
# the floor programs. Any report ends the program with a code of its own, and this script with 1.
#
# Traffic is on loopback, in a network namespace of its own where that is allowed.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [[ $(id -u) == 0 && -z ${SANITIZE_INSIDE:-} ]] && unshare -n true 2>/dev/null; then
    SANITIZE_INSIDE=1 exec unshare -n Tests/Sanitize/undefined.sh
fi
# Without the namespace loopback is up already, and this is refused.
[[ -z ${SANITIZE_INSIDE:-} ]] || ip link set lo up

out=.build-ubsan
mkdir -p $out
clang=${CLANG:-$(command -v clang || dirname "$(readlink -f "$(command -v swift)")" | sed 's|$|/clang|')}
flags=(-D_GNU_SOURCE -g -O1 -Wall -Wextra -Werror -pthread -fuse-ld=lld
    -fsanitize=undefined,address -fno-sanitize-recover=all -fno-omit-frame-pointer)
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1

echo "sanitize-undefined: $("$clang" --version | head -n 1)"
"$clang" -std=gnu11 "${flags[@]}" -U_GNU_SOURCE Tests/Sanitize/shims.c -luring -o $out/shims
timeout 60 $out/shims
for program in connect_uring echo_uring echo_epoll echo_load connect_load; do
    "$clang" -std=c11 "${flags[@]}" Benchmarks/Floor/$program.c -luring -o $out/$program
done

# Every way to open, wait and close, with few connections.
for options in "--wait hub" "--wait eventfd" "--open plain" "--teardown close" "--teardown linger" \
    "--teardown unspec" "--teardown queue_exit" "--teardown exit" "--arm 0" "--threads 2 --window 64"; do
    # shellcheck disable=SC2086 # Words of a list of options.
    timeout 120 $out/connect_uring --conns 1500 --listeners 1 --time-limit 60 $options >/dev/null
done
echo "connect_uring: 10 ways to open, wait and close"

# Two echo servers with both judges.
$out/echo_uring --port 17801 --cpu 0 --seconds 60 & uring=$!
$out/echo_epoll --port 17802 --cpu 0 --seconds 60 & epoll=$!
stop() { kill "$uring" "$epoll" 2>/dev/null || true; }
trap stop EXIT
sleep 1
timeout 50 $out/echo_load --connections 50 --message 64 --slice-ms 100 --rounds 5 \
    "uring=$uring@17801" "epoll=$epoll@17802" >/dev/null
timeout 50 $out/echo_load --connections 20 --message 4000 --slice-ms 50 --rounds 2 \
    "uring=$uring@17801" "epoll=$epoll@17802" >/dev/null
timeout 50 $out/connect_load --connections 1000 "epoll=$epoll@17802" >/dev/null
# They must have lived until now: a report would have ended them.
for server in "$uring" "$epoll"; do
    kill -0 "$server" || { echo "sanitize-undefined: an echo server has ended" >&2; exit 1; }
done
echo "echo_uring, echo_epoll, echo_load, connect_load: no report"
