#!/usr/bin/env bash
# Tests under a sanitizer: `tests.sh address` (with leaks) or `tests.sh thread`, in a scratch folder of
# its own. A report ends the test run at once, and this script with 1. There are no suppressions.
#
# `tests.sh thread ConnectionEngineTests` runs part of them. Left out are the tests that start the tool
# as processes, for minutes, and the walls: their code is the same, and a debug build with a sanitizer
# does not reach what they wait for.
set -euo pipefail
cd "$(dirname "$0")/../.."

kind=${1:-}
case $kind in
address) scratch=.build-asan ;;
thread) scratch=.build-tsan ;;
*) echo "usage: tests.sh address|thread [FILTER]" >&2; exit 64 ;;
esac
filter=(--filter "${2:-ConnectionEngineTests|ConnectionBenchTests}")

# A crash shall end at once, not in an interactive backtrace.
export SWIFT_BACKTRACE=enable=no
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
export TSAN_OPTIONS=halt_on_error=1
# Suites that are end-to-end runs.
skip='ConnectionBenchTests\.(ToolTests|InducedWalls)'

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "${SWIFT:-swift}" build --build-tests --sanitize="$kind" --scratch-path $scratch >"$log" 2>&1; then
    grep -v 'Cannot export local symbol' "$log" >&2
    exit 1
fi
echo "sanitize-$kind: built after $SECONDS s"
code=0
"${SWIFT:-swift}" test --skip-build --no-parallel --sanitize="$kind" --scratch-path $scratch \
    "${filter[@]}" --skip "$skip" >"$log" 2>&1 || code=$?
if [[ $code != 0 ]] || grep -qE 'WARNING: ThreadSanitizer|ERROR: (Address|Leak)Sanitizer' "$log"; then
    grep -nE 'Sanitizer|SUMMARY|✘|Fatal error' "$log" | head -n 40 >&2
    cp "$log" "$scratch/report.log"
    echo "sanitize-$kind: the whole log is $scratch/report.log" >&2
    exit 1
fi
# A filter that matches nothing must not pass.
grep -E 'Test run with [1-9][0-9]* tests' "$log" | tail -n 1
echo "sanitize-$kind: no report, after $SECONDS s"
