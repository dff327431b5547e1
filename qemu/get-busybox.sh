#!/bin/bash
# Fetches Debian's static busybox for mipsel into the cache and prints its path.
# Uses this system's package sources and keys, but a package state of its own: the system gets no foreign
# architecture, and nothing outside the cache changes. Needs no root.
set -euo pipefail

cache=${WZ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wz_flash-helper}

say() { echo "get-busybox: $*" >&2; }
die() { say "$*"; exit 1; }

cached() { find "$cache" -maxdepth 2 -path '*/busybox-*/busybox' 2>/dev/null | sort -V | tail -n 1; }

if [ -n "$(cached)" ]; then
	cached
	exit
fi

mkdir -p "$cache"
exec 9>"$cache/busybox.lock"
flock 9
if [ -n "$(cached)" ]; then
	cached
	exit
fi

command -v apt-get >/dev/null || die "needs apt-get: busybox comes from Debian's archive"
log=$cache/get-busybox.log
work=$(mktemp -d "$cache/fetch-busybox.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/state/lists/partial "$work"/cache/archives/partial "$work"/deb "$work"/root
touch "$work/status"

# -c is read after the system's configuration, so these lines win over it.
# The hooks are cleared because some systems' (docker's) delete files in /var/cache.
cat >"$work/apt.conf" <<CONF
#clear APT::Architectures;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Architecture "mipsel";
APT::Architectures { "mipsel"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Dir::State "$work/state";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
CONF
apt() { (cd "$work/deb" && apt-get -q -c "$work/apt.conf" "$@") >>"$log" 2>&1; }

: >"$log"
say "fetching Debian's busybox-static for mipsel"
apt update || say "some package sources could not be read, see $log"
apt download busybox-static ||
	die "this system's package sources offer no busybox-static for mipsel; Debian 12 (bookworm) does. See $log"

deb=$(echo "$work"/deb/*.deb)
version=$(dpkg-deb -f "$deb" Version)
dpkg-deb -x "$deb" "$work/root"
mkdir "$work/out"
mv "$work/root/bin/busybox" "$work/out/"
mv "$work/out" "$cache/busybox-${version#*:}"
say "done: $version"
cached
