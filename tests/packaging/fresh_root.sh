#!/bin/bash
# Both commands of the README in a fresh Debian 12 root, from a clean clone of what is committed:
# the quick start without the packages, as root, as an ordinary user; then the tests, as root.
#
#   tests/packaging/fresh_root.sh [--quickstart|--tests] [-- options of tests/run.sh]
#
# Needs root, debootstrap and Debian's mirror; takes as long as the tests and 5 minutes.
set -eu
cd "$(dirname "$0")/../.."
. packaging/packages.sh

only=
while [ $# -gt 0 ]; do
    case $1 in
        --quickstart | --tests) only=$1 ;;
        --) shift; break ;;
        *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
    shift
done

# Everything is mounted in a namespace of our own, and goes with it.
if [ "${FRESH_ROOT_INSIDE-}" != 1 ]; then
    [ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
    need_packages debootstrap git
    FRESH_ROOT_INSIDE=1 exec unshare --mount --propagation private "$0" \
        ${only:+"$only"} -- "$@"
fi

root=$(mktemp -d /tmp/reeve-fresh.XXXXXX)
begun=$SECONDS
say() { printf '== %4ds  %s\n' $((SECONDS - begun)) "$*"; }
inside() { chroot "$root" env -i HOME=/root TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
as_user() {
    inside setpriv --reuid=1000 --regid=1000 --clear-groups env HOME=/home/board "$@"
}
finish() {
    umount -R "$root/proc" "$root/sys" "$root/dev" 2>/dev/null || true
    umount "$root" 2>/dev/null || true
    rm -rf --one-file-system "$root"
}
trap finish EXIT
fail() { say "FAILED: $*"; exit 1; }

# Processes whose root is the fresh one.
left_running() {
    local link
    for link in /proc/[0-9]*/root; do
        [ "$(readlink "$link" 2>/dev/null)" = "$root" ] || continue
        tr '\0' ' ' <"${link%root}cmdline"
        echo
    done
}
nothing_left() { [ -z "$(left_running)" ] || fail "left running after $1: $(left_running)"; }

say "debootstrap"
debootstrap --variant=minbase bookworm "$root" http://deb.debian.org/debian >/dev/null
mount --bind "$root" "$root"  # what a namespace of mounts in it needs
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
cp /etc/resolv.conf "$root/etc/"
mkdir -p "$root/home/board"
git clone -q --no-hardlinks . "$root/root/reeve"
git clone -q --no-hardlinks . "$root/home/board/reeve"
chown -R 1000:1000 "$root/home/board"
chmod 755 "$root"

if [ "$only" != --tests ]; then
    say "quick start as an ordinary user, packages missing"
    status=0
    as_user /home/board/reeve/packaging/quickstart.sh >"$root/out" 2>&1 || status=$?
    [ "$status" = 3 ] || { cat "$root/out"; fail "exit code $status, 3 is right"; }
    [ "$(grep -c '^apt-get ' "$root/out")" = 1 ] || { cat "$root/out"; fail "not one apt line"; }

    say "quick start as root"
    inside /root/reeve/packaging/quickstart.sh || fail "quick start as root"
    nothing_left "the quick start as root"
    say "quick start as root, again"
    inside /root/reeve/packaging/quickstart.sh >/dev/null || fail "quick start as root, again"

    say "quick start as an ordinary user"
    as_user /home/board/reeve/packaging/quickstart.sh || fail "quick start as an ordinary user"
    nothing_left "the quick start as an ordinary user"
fi

if [ "$only" != --quickstart ]; then
    say "tests"
    inside /root/reeve/tests/run.sh "$@" || fail "tests"
    nothing_left "the tests"
fi
say "all passed"
