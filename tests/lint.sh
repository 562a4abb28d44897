#!/bin/bash
# tests/lint.sh format: are all sources formatted? tests/lint.sh tidy [FILE…]: clang-tidy, needs
# build/clang configured. A source whose preprocessed text passed before is not looked at again.
set -u
cd "$(dirname "$0")/.." || exit 1

# sources PATTERN…: below the folders that hold code.
sources() {
    local names=(-name "$1") pattern
    shift
    for pattern; do names+=(-o -name "$pattern"); done
    find units daemon hal ctl tests -type f \( "${names[@]}" \) | LC_ALL=C sort
}

format() { sources '*.cpp' '*.hpp' | xargs -r clang-format-14 --dry-run -Werror; }

# What decides the verdict: the configuration, the flags and the text after the preprocessor.
fingerprint() {
    clang++-14 -std=c++20 -E -P -I. -DREEVE_VERSION='""' -DTEST_DATA='""' \
        -DSOURCE_ROOT='""' -DPROGRAMS='""' "$1" 2>/dev/null |
        cat - .clang-tidy | sha256sum | cut -d' ' -f1
}

tidy_one() {
    local file=$1 mark
    mark=$seen/$(fingerprint "$file")
    [ -e "$mark" ] && return 0
    clang-tidy-14 -p build/clang --quiet --extra-arg=-Wno-unknown-warning-option "$file" \
        2>/dev/null && : >"$mark"
}

tidy() {
    [ -e build/clang/compile_commands.json ] || cmake --preset clang >/dev/null || return 1
    seen=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/reeve-tidy
    mkdir -p "$seen"
    export seen
    export -f tidy_one fingerprint
    { [ $# -gt 0 ] && printf '%s\n' "$@" || sources '*.cpp' | grep -v /fuzz/; } |
        xargs -r -P2 -I{} bash -c 'tidy_one "$1"' _ {}
}

case ${1-} in
    format) format ;;
    tidy) shift; tidy "$@" ;;
    *) sed -n '2,3s/^# //p' "$0"; exit 2 ;;
esac
