# Debian 12 packages that Reeve needs, and how to get them. Sourced by quickstart.sh and tests/run.sh.

build_packages=(g++ cmake ninja-build pkg-config libsystemd-dev libtomlplusplus-dev libspdlog-dev
    libfmt-dev musl-tools)

test_packages=(ccache clang clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev binutils
    libgtest-dev libgmock-dev librapidcheck-dev python3 python3-dbus python3-gi python3-systemd
    python3-jsonschema dbus-daemon dbus-bin systemd libglib2.0-bin procps util-linux socat)

# The daemons that the tests run from unit files of their own; their services are never started.
daemon_packages=(redis-server nginx dnsmasq-base lighttpd memcached chrony privoxy logrotate)

# Prints those of the packages that are not installed, on one line.
missing_packages() {
    local installed package missing=()
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
        sed -n 's/ installed$//p')
    for package; do
        grep -qxF -- "$package" <<<"$installed" || missing+=("$package")
    done
    echo "${missing[*]}"
}

# Installs what is missing. Without the right to: says the one line that would, and exits 3.
need_packages() {
    local missing
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "These packages are missing; as root, run:" >&2
        echo "apt-get update && apt-get install -y --no-install-recommends $missing" >&2
        exit 3
    fi
    echo "installing: $missing"
    # shellcheck disable=SC2086
    install_quietly $missing
}

# Installs without starting the services that come with the packages.
install_quietly() {
    local guard=/usr/sbin/policy-rc.d log status=0
    log=$(mktemp)
    if [ ! -e "$guard" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$guard"
        chmod 755 "$guard"
    else
        guard=
    fi
    export DEBIAN_FRONTEND=noninteractive
    { apt-get -q update && apt-get -q install -y --no-install-recommends "$@"; } \
        >"$log" 2>&1 </dev/null || status=$?
    [ -z "$guard" ] || rm -f "$guard"
    [ "$status" = 0 ] || { tail -n 20 "$log" >&2; echo "cannot install: $*" >&2; }
    rm -f "$log"
    [ "$status" = 0 ] || exit 1
}
