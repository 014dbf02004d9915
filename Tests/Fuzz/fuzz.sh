#!/usr/bin/env bash
# Builds the fuzz targets, and runs them: `fuzz.sh run SECONDS [TARGET]` looks for new inputs that break
# a promise, `fuzz.sh replay` runs each input that there is once, `fuzz.sh merge TARGET` adds to the
# corpus what the last runs have found and is not covered by it.
#
# Ends with 1 when an input broke something. Such an input lies in Crashes/TARGET from then on, and is
# replayed until it is mended, and after that.
set -euo pipefail
cd "$(dirname "$0")"

# A crash shall end at once, not in an interactive backtrace.
export SWIFT_BACKTRACE=enable=no
export ASAN_OPTIONS=detect_leaks=1:handle_abort=1
root=$(cd ../.. && pwd)
program=$root/.build-fuzz/debug/fuzz-parsers
# What was found and is not part of the corpus.
found=$root/.build-fuzz/found

build() {
    local log
    log=$(mktemp)
    # SwiftPM looks for new files in the package itself only, not in the ones that it depends on.
    touch Package.swift
    # One program with all targets: its modules are built once, with coverage counters in each.
    # gold, the default linker, breaks off at these modules.
    if ! "${SWIFT:-swift}" build --scratch-path "$root/.build-fuzz" --product fuzz-parsers \
        -Xswiftc -sanitize=fuzzer,address -Xswiftc -use-ld=lld >"$log" 2>&1; then
        grep -v 'Cannot export local symbol' "$log" >&2
        exit 1
    fi
    rm -f "$log"
}

targets() { FUZZ_TARGET=list "$program" | tail -n +2; }

# Arguments: the target, then libFuzzer's.
fuzz() {
    local target=$1
    shift
    local dictionary=()
    case $target in
    result*) dictionary=(-dict=json.dict) ;;
    esac
    # libFuzzer wants the folder for what it may find; an empty one does not stay.
    mkdir -p "Crashes/$target"
    FUZZ_TARGET=$target "$program" -timeout=60 -report_slow_units=60 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="Crashes/$target/" "${dictionary[@]}" "$@"
}

# The input that was kept, and the broken promise.
complain() {
    grep -E 'broken promise|Fatal error|ERROR: |SUMMARY: |Test unit written' "$1" >&2 || tail -n 20 "$1" >&2
}

run() {
    local seconds=$1 only=${2:-} failed=0 target log
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "SECONDS is '$seconds': give a number" >&2; exit 64; }
    for target in ${only:-$(targets)}; do
        [[ -d Corpus/$target ]] || { echo "'$target' is no target: $(targets | xargs)" >&2; exit 64; }
        mkdir -p "$found/$target" "Crashes/$target"
        log=$found/$target.log
        printf '%-18s ' "$target"
        if fuzz "$target" -max_total_time="$seconds" -max_len=65536 \
            "$found/$target" "Corpus/$target" "Crashes/$target" >"$log" 2>&1; then
            awk '/stat::number_of_executed_units/ { runs = $2 } / cov: / { coverage = $4 }
                END { print runs " inputs, " coverage " edges, nothing broken" }' "$log"
        else
            echo "BROKEN"
            complain "$log"
            failed=1
        fi
    done
    return $failed
}

replay() {
    local failed=0 target folder log count=0
    log=$(mktemp)
    for target in $(targets); do
        for folder in "Corpus/$target" "Crashes/$target"; do
            [[ -n $(ls -A "$folder" 2>/dev/null) ]] || continue
            count=$((count + $(find "$folder" -type f | wc -l)))
            # Each as a file of its own, so that a report names it.
            if ! fuzz "$target" "$folder"/* >"$log" 2>&1; then
                echo "$target: $(grep '^Running: ' "$log" | tail -n 1)" >&2
                complain "$log"
                failed=1
            fi
        done
    done
    rm -f "$log"
    [[ $failed == 0 ]] && echo "$count inputs replayed, nothing broken"
    return $failed
}

merge() {
    local target=$1
    # Real files first: they are small in number, and people can read them.
    fuzz "$target" -merge=1 -max_len=4096 "Corpus/$target" "$found/$target" 2>&1 | tail -n 2
}

trap 'find Crashes -mindepth 1 -type d -empty -delete' EXIT
case ${1:-} in
run) build; run "${2:-60}" "${3:-}" ;;
replay) build; replay ;;
merge) build; merge "$2" ;;
list) build; targets ;;
*) echo "usage: fuzz.sh run SECONDS [TARGET] | replay | merge TARGET | list" >&2; exit 64 ;;
esac
