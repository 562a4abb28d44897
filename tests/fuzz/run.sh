#!/bin/sh
# Runs a fuzzer over its committed corpus: for a while, or with REEVE_LONG=1 for its full count.
# usage: run.sh FUZZER CORPUS        exit code: 0 no finding, 1 a finding, 2 usage
set -eu
[ $# -eq 2 ] || { echo "usage: $0 FUZZER CORPUS" >&2; exit 2; }
fuzzer=$1
corpus=$2
name=$(basename "$fuzzer")
here=$(dirname "$0")
seconds=${REEVE_FUZZ_SECONDS:-30}  # four fuzzers, one after the other: two minutes
longest=4096
case $name in
keeper_fuzz) longest=160 ;;   # a row of steps
journal_fuzz) longest=320 ;;  # a row of events, or the state of one unit
esac
# Most of the time is allocation: short traces, and little that is kept after it was freed.
export ASAN_OPTIONS="malloc_context_size=2:quarantine_size_mb=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/corpus" "$work/found"
[ ! -d "$corpus" ] || cp -R "$corpus/." "$work/corpus"
set -- -max_len="$longest" -timeout=60 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$work/found/"
# Where an engine goes says enough; how often it was there makes thousands of inputs interesting.
[ "$name" != journal_fuzz ] || set -- "$@" -use_counters=0
[ ! -f "$here/$name.dict" ] || set -- "$@" -dict="$here/$name.dict"

# Executions that a finished fuzzer says it made.
executions() { sed -n 's/^stat::number_of_executed_units: *//p' "$1" | tail -n 1; }

fail() {
    echo "fuzz $name: FINDING after $total executions"
    tail -n 40 "$1"
    for input in "$work"/found/*; do
        [ -f "$input" ] || continue
        echo "input $(basename "$input"), base64:"
        base64 "$input"
        [ -z "${REEVE_FUZZ_KEEP:-}" ] || cp "$input" "$REEVE_FUZZ_KEEP/"
    done
    exit 1
}

total=0
started=$(date +%s)
if [ "${REEVE_LONG:-}" != 1 ]; then
    "$fuzzer" "$@" -max_total_time="$seconds" "$work/corpus" >"$work/log" 2>&1 || fail "$work/log"
    total=$(executions "$work/log")
else
    case $name in
    unit_file_fuzz) wanted=17000000 ;;
    *) wanted=5000000 ;;
    esac
    wanted=${REEVE_FUZZ_RUNS:-$wanted}
    cores=${REEVE_FUZZ_JOBS:-$(nproc)}
    # In rounds, so that progress can be seen and no process lives for hours.
    while [ "$total" -lt "$wanted" ]; do
        left=$(((wanted - total + cores - 1) / cores))
        [ "$left" -le 500000 ] || left=500000
        pids=
        i=0
        while [ "$i" -lt "$cores" ]; do
            "$fuzzer" "$@" -runs="$left" "$work/corpus" >"$work/log.$i" 2>&1 &
            pids="$pids $!"
            i=$((i + 1))
        done
        i=0
        for pid in $pids; do
            wait "$pid" || fail "$work/log.$i"
            total=$((total + $(executions "$work/log.$i")))
            i=$((i + 1))
        done
        echo "fuzz $name: $total of $wanted executions"
    done
fi
echo "fuzz $name: no finding in $total executions, $(($(date +%s) - started)) s"
