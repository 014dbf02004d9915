#!/usr/bin/env bash
# Tests under a sanitizer: `tests.sh address` (with leaks) or `tests.sh thread`, in a scratch folder of
# its own. A report ends the test run at once, and this script with 1. There are no suppressions.
#
# `tests.sh thread engine [FILTER|brief]` takes the engine's tests alone, in a package of them that builds in a
# minute. Left out otherwise are the tests that start the tool as processes, for minutes, and the walls:
# their code is the same, and a debug build with a sanitizer does not reach what they wait for.
# `tests.sh release engine brief` is the same with optimization instead of a sanitizer.
set -euo pipefail
cd "$(dirname "$0")/../.."

kind=${1:-}
case $kind in
address) scratch=$PWD/.build-asan flags=(--sanitize=address) ;;
thread) scratch=$PWD/.build-tsan flags=(--sanitize=thread) ;;
release) scratch=$PWD/.build-release-tests flags=(-c release -Xswiftc -enable-testing) ;;
*) echo "usage: tests.sh address|thread|release [engine] [FILTER|brief]" >&2; exit 64 ;;
esac
filter=${2:-'ConnectionEngineTests|ConnectionBenchTests'}
# Suites that are end-to-end runs. (XCTest is left out: there are no tests of it, and it leaks.)
skip='ConnectionBenchTests\.(ToolTests|ToolDrills|InducedWalls|Hostile)'
if [[ ${2:-} = engine ]]; then
    filter=${3:-'ConnectionEngineTests'}
    package=$scratch/engine
    mkdir -p "$package"
    for folder in Sources Tests Vendor-shims; do ln -sfn "$PWD/$folder" "$package/$folder"; done
    cp Tests/Sanitize/EnginePackage.swift "$package/Package.swift"
    cd "$package"
    scratch=$package/.build
    # With `brief`, for CI: without those that wait for most of their time.
    [[ ${3:-} != brief ]] || { filter=ConnectionEngineTests; skip='Differential|Drills|HotCold'; }
fi

# A crash shall end at once, not in an interactive backtrace.
export SWIFT_BACKTRACE=enable=no
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
export TSAN_OPTIONS=halt_on_error=1
[[ $kind != thread ]] || export WITH_THREAD_SANITIZER=1

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "${SWIFT:-swift}" build --build-tests "${flags[@]}" --scratch-path "$scratch" >"$log" 2>&1; then
    grep -v 'Cannot export local symbol' "$log" >&2
    exit 1
fi
echo "tests, $kind: built after $SECONDS s"
code=0
"${SWIFT:-swift}" test --skip-build --no-parallel "${flags[@]}" --scratch-path "$scratch" \
    --disable-xctest --filter "$filter" --skip "$skip" >"$log" 2>&1 || code=$?
if [[ $code != 0 ]] || grep -qE 'WARNING: ThreadSanitizer|ERROR: (Address|Leak)Sanitizer' "$log"; then
    grep -nE 'Sanitizer|SUMMARY|✘|Fatal error' "$log" | head -n 40 >&2
    cp "$log" "$scratch/report.log"
    echo "tests, $kind: the whole log is $scratch/report.log" >&2
    exit 1
fi
# A filter that matches nothing must not pass.
grep -E 'Test run with [1-9][0-9]* tests' "$log" | tail -n 1
echo "tests, $kind: no report, after $SECONDS s"
