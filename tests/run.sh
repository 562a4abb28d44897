#!/bin/bash
# Installs what the tests need, builds, runs every test through ctest, prints one summary.
#
#   tests/run.sh [--label L[,L]] [--long] [ctest options]
#
# Labels: unit core system clients daemons fuzz, and lint for clang-tidy over all sources.
# --long runs each test at full scale (hours), and lint. Trees: build/asan (g++, ASan and UBSan: all
# tests), build/fuzz (clang: everything is built, the fuzzers run), build/release (the programs, for the bench).
set -u
cd "$(dirname "$0")/.." || exit 1
. packaging/packages.sh

labels=
long=
ctest_options=()

usage() { sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p'; }

while [ $# -gt 0 ]; do
    case $1 in
        --label) labels=${2:?--label wants a name}; shift ;;
        --label=*) labels=${1#*=} ;;
        --long) long=1 ;;
        --help | -h) usage; exit 0 ;;
        *) ctest_options+=("$1") ;;
    esac
    shift
done
wanted() { [ -z "$labels" ] || [[ ",$labels," == *",$1,"* ]]; }

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
begun=$SECONDS

say() { printf '== %4ds  %s\n' $((SECONDS - begun)) "$*"; }

# record NAME STATUS [TEXT]: the outcome of a step that is not a ctest test.
record() { printf '%s\t%s\t%s\n' "$1" "$2" "${3-}" >>"$results/steps"; }

# build DIR TARGETS…: quiet unless it fails.
build() {
    local dir=$1 log=$results/build.log
    shift
    say "build $dir"
    if ! cmake --build "$dir" ${1:+--target "$@"} >"$log" 2>&1; then
        grep -E -A4 'error|FAILED|undefined reference' "$log" | head -n 80
        record "build.$dir" failed "see above"
        return 1
    fi
}

configure() {
    local dir=$1 log=$results/configure.log
    shift
    cmake -B "$dir" "$@" -DREEVE_LONG="${long:-0}" >"$log" 2>&1 && return
    tail -n 30 "$log"
    record "configure.$dir" failed "see above"
    return 1
}

# run_ctest DIR: all wanted tests of a tree; their results go to a JUnit file.
run_ctest() {
    local dir=$1 pattern=
    [ -z "$labels" ] || pattern="^(${labels//,/|})\$"
    say "test $dir"
    ctest --test-dir "$dir" -j2 --output-on-failure --no-tests=ignore \
        --test-output-size-passed 200000 --output-junit "$results/${dir//\//-}.xml" \
        ${pattern:+-L "$pattern"} ${ctest_options[@]+"${ctest_options[@]}"} 2>&1 </dev/null |
        grep -vE '^ *(Start +[0-9]+:|[0-9]+/[0-9]+ .* Passed )'
    [ "${PIPESTATUS[0]}" = 0 ] || : >"$results/failed"
}

# The leak check stops the threads of a program with ptrace; some sandboxes forbid that.
set_sanitizer_options() {
    local probe=$results/probe
    export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:strict_string_checks=1
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:abort_on_error=1
    echo 'int main() { return 0; }' >"$probe.cpp"
    g++ -fsanitize=address "$probe.cpp" -o "$probe" && "$probe" >/dev/null 2>&1 && return
    ASAN_OPTIONS=${ASAN_OPTIONS/detect_leaks=1/detect_leaks=0}
    record leak-check skipped "LeakSanitizer may not use ptrace here"
}

run_bench() {
    [ -x tests/bench/peers ] || return 0
    say "bench"
    if tests/bench/peers --services 100; then
        record bench.peers passed
    else
        record bench.peers failed "tests/bench/peers --services 100"
    fi
}

need_packages "${build_packages[@]}" "${test_packages[@]}" "${daemon_packages[@]}"
export PATH=/usr/bin:/usr/sbin:/bin:/sbin:$PATH  # Debian's python3 and daemons before others
[ -z "$long" ] || export REEVE_LONG=1
set_sanitizer_options

tests_wanted=
for label in unit core system clients daemons boot; do ! wanted $label || tests_wanted=1; done

build_release() {
    configure build/release --preset release && build build/release
}

released=
if [ -z "$labels" ] || wanted system; then build_release && released=1; fi
if [ -n "$tests_wanted" ]; then
    configure build/asan --preset asan && build build/asan && run_ctest build/asan
fi
if wanted fuzz; then
    configure build/fuzz --preset fuzz && build build/fuzz && run_ctest build/fuzz
fi
if [ -n "$released" ] && [ -z "$labels" ] && [ ${#ctest_options[@]} = 0 ]; then run_bench; fi
if [ -n "$long" ] && { [ -z "$labels" ] || wanted core; }; then
    say "mutants"
    tests/mutants.py core && record core.mutants passed || record core.mutants failed
    tests/mutants.py system && record system.mutants passed || record system.mutants failed
fi
if [ -z "$labels" ] || wanted lint; then
    say "format"
    tests/lint.sh format && record lint.format passed || record lint.format failed
fi
if [ -n "$long" ] || { [ -n "$labels" ] && wanted lint; }; then
    say "clang-tidy"
    tests/lint.sh tidy && record lint.tidy passed || record lint.tidy failed
fi

say "done"
/usr/bin/python3 -B tests/summary.py "$results"
