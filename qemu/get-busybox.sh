#!/bin/bash
# Builds the camera's busybox (static, mipsel, musl, only what busybox.config names) into the cache and prints its path.
# Its source lies beside it, in the folder source: a release has to have it.
# A directory once made is final: its name is a hash of all that went in.
# The source is Debian's, with Debian's patches, through this system's package sources and keys, but with a package state
# of its own: nothing outside the cache changes. Needs no root; the compiler is the one of scripts/requirements.txt.
set -euo pipefail
cd "$(dirname "$0")"
. ../scripts/common.sh

tools=$(cross_tools_dir)
# Debian's, as far as this system knows; the source that belongs to it is what is fetched.
version=$(LC_ALL=C apt-cache policy busybox 2>/dev/null | awk '/Candidate:/ { print $2 }') || version=
key=$({ echo "$version"; cat get-busybox.sh busybox.config ../scripts/requirements.txt; } | sha256sum | cut -c1-16)
dir=$cache/small-busybox-$key

# Also from where the output goes to the log.
exec 3>&2
say() { echo "get-busybox: $*" >&3; }
die() { say "$*"; exit 1; }

if [ -d "$dir" ]; then
	echo "$dir/busybox"
	exit
fi
"$root/scripts/setup.sh" host camera

mkdir -p "$cache"
exec 9>"$cache/busybox.lock"
flock -n 9 || { say "another build is running, waiting for it"; flock 9; }
if [ -d "$dir" ]; then
	echo "$dir/busybox"
	exit
fi

command -v apt-get >/dev/null || die "needs apt-get: the source of busybox comes from Debian's archive"
log=$dir.log
work=$(mktemp -d "$cache/build-busybox.XXXXXX")
# However it ends: a trap on ERR would miss functions and what they themselves give up.
finish() {
	local status=$?
	[ "$status" = 0 ] || { say "failed, the last lines of $log:"; tail -n 15 "$log" >&3; }
	rm -rf "$work"
}
trap finish EXIT
tree=$work/tree
mkdir -p "$tree" "$work/bin" "$work/out/source"
: >"$log"

# -c is read after the system's configuration, so these lines win over it.
# The hooks are cleared because some systems' (docker's) delete files in /var/cache.
fetch() {
	mkdir -p "$work"/state/lists/partial "$work"/cache/archives/partial "$work/sources"
	local list
	for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
		[ ! -e "$list" ] || sed 's/^deb /deb-src /; s/^Types:.*/Types: deb-src/' "$list" >"$work/sources/${list##*/}"
	done
	# apt takes no file without an ending.
	[ ! -e "$work/sources/sources.list" ] || mv "$work/sources/sources.list" "$work/sources/main.list"
	cat >"$work/apt.conf" <<-CONF
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Dir::Etc::sourcelist "/dev/null";
		Dir::Etc::sourceparts "$work/sources";
		Dir::State "$work/state";
		Dir::Cache "$work/cache";
	CONF
	apt-get -q -c "$work/apt.conf" update || say "some package sources could not be read, see $log"
	(cd "$work" && apt-get -q -c "$work/apt.conf" source --download-only busybox) ||
		die "this system's package sources offer no source of busybox; Debian 12 (bookworm) does. See $log"
	tar -xf "$work"/busybox_*.orig.tar.* -C "$tree" --strip-components=1
	tar -xf "$work"/busybox_*.debian.tar.* -C "$work"
	local patch
	while read -r patch; do
		patch -d "$tree" -p1 --no-backup-if-mismatch <"$work/debian/patches/$patch"
	done < <(awk '/^[^#]/ { print $1 }' "$work/debian/patches/series")
	# One pointer is const whatever BB_GLOBAL_CONST says.
	sed -i 's/^extern struct globals \*const ptr_to_globals;/extern struct globals *ptr_to_globals;/' "$tree/include/libbb.h"
	grep -q '^extern struct globals \*ptr_to_globals;' "$tree/include/libbb.h"
}

# Zig takes the place of a cross compiler, its linker and its archiver. It knows not all that a GNU linker does. Clang takes
# busybox at its word that the pointers to its globals never change, though it sets them once: awk would crash.
compiler() {
	export ZIG_GLOBAL_CACHE_DIR=$cache/zig ZIG_LOCAL_CACHE_DIR=$cache/zig
	cat >"$work/bin/cc" <<-CC
		#!/bin/bash
		known=()
		for word; do
			case \$word in
			-Wl,--warn-common | -Wl,--sort-common | -Wl,-Map,* | -Wl,--verbose | -static-libgcc) ;;
			*) known+=("\$word") ;;
			esac
		done
		exec $tools/bin/zig cc -target mipsel-linux-musleabi -DBB_GLOBAL_CONST= "\${known[@]}"
	CC
	printf '#!/bin/sh\nexec %s ld.lld -m elf32ltsmip "$@"\n' "$tools/bin/zig" >"$work/bin/ld"
	printf '#!/bin/sh\nexec %s ar "$@"\n' "$tools/bin/zig" >"$work/bin/ar"
	chmod +x "$work"/bin/*
}

bbmake() { make -C "$tree" CC="$work/bin/cc" LD="$work/bin/ld" AR="$work/bin/ar" HOSTCC=gcc "$@"; }

configure() {
	bbmake allnoconfig
	awk 'NR == FNR { if (/^CONFIG_/) { name = $0; sub(/=.*/, "", name); on[name] = $0 }; next }
		{ name = /^# CONFIG_/ ? $2 : $0; sub(/=.*/, "", name); print name in on ? on[name] : $0 }' \
		busybox.config "$tree/.config" >"$work/config"
	mv "$work/config" "$tree/.config"
	bbmake oldconfig < <(yes "")
	echo "lines of busybox.config that its Kconfig did not take:"
	! grep '^CONFIG_' busybox.config | grep -vxFf "$tree/.config"
}

# The same inputs give the same bytes, whatever the caller's make was told.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES
export LC_ALL=C SOURCE_DATE_EPOCH=0 KCONFIG_NOTIMESTAMP=1
say "fetching the source of Debian's busybox"
fetch >>"$log" 2>&1
compiler
say "compiling (about a minute on 2 cores; log: $log)"
configure >>"$log" 2>&1
bbmake -j"$(nproc)" NM=true STRIP=true OBJCOPY=true SKIP_STRIP=y CONFIG_EXTRA_LDFLAGS=-s >>"$log" 2>&1 </dev/null
mv "$tree/busybox" "$work/out/"
mv "$work"/busybox_*.dsc "$work"/busybox_*.tar.* "$work/out/source/"
mv "$work/out" "$dir"
say "done"
echo "$dir/busybox"
