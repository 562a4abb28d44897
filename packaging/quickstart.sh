#!/bin/bash
# Builds Reeve and shows it on a demo board of its own: private folder, private socket, nothing of
# the system touched, nothing left running.
#
#   packaging/quickstart.sh [--stay]
#
# --stay leaves the board up for exploring, and says how to reach and how to stop it.
set -eu
cd "$(dirname "$0")/.."
. packaging/packages.sh

stay=
case ${1-} in
    '') ;;
    --stay) stay=1 ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; [ "$1" = --help ] && exit 0 || exit 2 ;;
esac

programs=$PWD/build/release
board=
keeper=  # with all that it started

title() { printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi; }
show() { echo "\$ reevectl $*"; reevectl "$@" || [ $? = 3 ]; }  # 3: something waits; so it should
reevectl() { "$programs/reevectl" --socket "$board/bus" "$@"; }
fail() { echo "quickstart: $*" >&2; exit 1; }

# wait_for WHAT COMMAND…: until the command succeeds, at most 20 s.
wait_for() {
    local what=$1 end=$((SECONDS + 20))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { cat "$board/reeved.log" >&2; fail "not within 20 s: $what"; }
        sleep 0.05
    done
}

build() {
    local log
    need_packages "${build_packages[@]}"
    if [ -x "$programs/reeve-init" ] && [ -x "$programs/reeved" ] && ! [ -w build/release ]; then
        return 0  # another user's tree: use what was built there
    fi
    log=$(mktemp)
    title "Building Reeve in build/release"
    if ! { cmake -S . -B build/release -G Ninja -DCMAKE_BUILD_TYPE=Release &&
        cmake --build build/release --target reeve_init reeved reevectl; } >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        rm -f "$log"
        fail "the build failed"
    fi
    rm -f "$log"
}

start_board() {
    board=$(mktemp -d "${TMPDIR:-/tmp}/reeve-demo.XXXXXX")
    trap stop_board EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # The folder goes when all has ended, whoever ended it. reeve-init starts the manager.
    setsid sh -c 'board=$1; shift; "$@" >"$board/reeved.log" 2>&1; rm -rf "$board"' sh "$board" \
        "$programs/reeve-init" --unit-path "$PWD/packaging/demo" --runtime-dir "$board" \
        --socket "$board/bus" --bus none --target board </dev/null >/dev/null 2>&1 &
    keeper=$!
    wait_for "the board is up" reevectl is-active heartbeat
}

stop_board() {
    local status=$?
    trap - EXIT
    if [ -n "$keeper" ] && kill -0 "$keeper" 2>/dev/null; then
        reevectl shutdown --now >/dev/null 2>&1 || true
        wait "$keeper" || true
    fi
    exit $status
}

pid_of() { reevectl show "$1" --property MainPid | grep -Eo "[0-9]+" | tail -n 1; }
restarted() { local now; now=$(pid_of heartbeat) && [ "$now" != 0 ] && [ "$now" != "$1" ]; }

show_crash() {
    local before
    title "2. A crash: heartbeat is killed, and comes back by itself"
    before=$(pid_of heartbeat)
    show kill heartbeat --signal KILL
    wait_for "heartbeat restarts" restarted "$before"
    wait_for "heartbeat is up" reevectl is-active heartbeat
    echo "process $before is gone, process $(pid_of heartbeat) has its place"
    show status heartbeat
}

show_event() {
    title "3. An event releases a gate: reporter waits for 'calibrated'"
    show why reporter
    show event set calibrated
    wait_for "reporter is up" reevectl is-active reporter
    show status reporter
}

show_semaphore() {
    local first second
    title "4. Two tasks share a semaphore: one reads at a time"
    echo "\$ reevectl start read-imu & reevectl start read-baro &"
    reevectl start read-imu & first=$!
    reevectl start read-baro & second=$!
    wait_for "a task holds the bus" holds_bus
    show device list
    wait $first && wait $second || fail "a task failed"
    show logs read-imu read-baro
}
holds_bus() { reevectl device who i2c-bus | grep -q read-; }

show_survival() {
    local manager before
    title "5. The manager itself is killed: another goes on, and the services notice nothing"
    manager=$(manager_pid)
    before=$(pid_of heartbeat)
    echo "\$ kill -KILL $manager  # reeved"
    kill -KILL "$manager"
    show status  # asks until there is an answer
    [ "$(manager_pid)" != "$manager" ] || fail "manager $manager is still there"
    [ "$(pid_of heartbeat)" = "$before" ] || fail "heartbeat did not live on"
    echo "manager $manager is gone, $(manager_pid) has its place; heartbeat is still process $before"
}
manager_pid() { reevectl stats --json | grep -Eo '"pid": *[0-9]+' | grep -Eo '[0-9]+' | head -n 1; }

build
start_board
title "1. The board is up; reporter waits"
show status
show_crash
show_event
show_semaphore
show_survival

if [ -n "$stay" ]; then
    trap - EXIT
    title "The board stays up. To explore, and to stop it:"
    echo "export REEVE_SOCKET=$board/bus"
    echo "$programs/reevectl status"
    echo "$programs/reevectl logs heartbeat"
    echo "$programs/reevectl shutdown --now"
    exit 0
fi

title "6. Everything stops"
show shutdown --now
wait "$keeper" || fail "reeve-init ended with exit code $?"
[ ! -e "$board" ] || fail "$board is left"
keeper=
echo "nothing is left running"
