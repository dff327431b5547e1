#!/bin/bash
# Builds the emulated camera's kernel into the cache and prints its directory:
#   uImage  donor/uImage  vmlinux  modules/*.ko  gen_init_cpio  config
# A directory once made is final: its name is a hash of all that went in.
# Needs no root. Progress goes to stderr, the compiler's output to <directory>.log.
set -Eeuo pipefail
cd "$(dirname "$0")"

packages=(linux-source-6.1 gcc-12-mipsel-linux-gnu)
tarball=/usr/src/linux-source-6.1.tar.xz
cache=${WZ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wz_flash-helper}
cmdline_room=512

say() { echo "build-kernel: $*" >&2; }
die() { say "$*"; exit 1; }

versions=$(dpkg-query -W -f='${Package} ${Version} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null) ||
	die "needs the Debian packages ${packages[*]} (run \`make setup\`)"
key=$({ echo "$versions"; cat build-kernel.sh kernel.config patches/*.patch donor/*; } | sha256sum | cut -c1-16)
dir=$cache/kernel-$key

if [ -d "$dir" ]; then
	echo "$dir"
	exit
fi

mkdir -p "$cache"
exec 9>"$cache/kernel.lock"
flock -n 9 || { say "another build is running, waiting for it"; flock 9; }
if [ -d "$dir" ]; then
	echo "$dir"
	exit
fi

for tool in make gcc flex bison bc patch xz lzma; do
	command -v $tool >/dev/null || die "needs $tool (run \`make setup\`)"
done
[ -r "$tarball" ] || die "$tarball is missing (run \`make setup\`)"

rm -rf "$cache"/kernel-build.* # left by a killed build
log=$dir.log
work=$(mktemp -d "$cache/kernel-build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'say "failed, the last lines of $log:"; tail -n 15 "$log" >&2' ERR
tree=$work/tree
out=$work/out
mkdir "$tree" "$out" "$out/modules" "$out/donor"

# The same inputs give the same bytes, whatever the caller's make was told.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES KBUILD_OUTPUT
export LC_ALL=C SOURCE_DATE_EPOCH=0 KBUILD_BUILD_TIMESTAMP=1970-01-01 KBUILD_BUILD_USER=wz KBUILD_BUILD_HOST=wz
kmake() { make -C "$tree" ARCH=mips CROSS_COMPILE=mipsel-linux-gnu- -j"$(nproc)" "$@" >>"$log" 2>&1; }

# Leaves out what this configuration never compiles; Kconfig wants to see all of its own files.
unpack() {
	tar -xf "$tarball" -C "$tree" --strip-components=1 \
		--exclude='*/Documentation/*/*' --exclude='*/tools/testing/*' --exclude='*/sound/soc/*.[ch]' \
		--exclude='*/drivers/gpu/*.[ch]' --exclude='*/drivers/net/*.[ch]' --exclude='*/drivers/media/*.[ch]'
	local patch
	for patch in patches/*.patch; do
		patch -d "$tree" -p1 --no-backup-if-mismatch <"$patch" >>"$log"
	done
}

# The command line grows to a fixed width, so that there is room to edit it in the finished kernel.
padded_config() {
	local line
	while IFS= read -r line; do
		if [[ $line == CONFIG_CMDLINE=\"* ]]; then
			line=${line#CONFIG_CMDLINE=\"}
			printf 'CONFIG_CMDLINE="%-*s"\n' "$cmdline_room" "${line%\"}"
		else
			printf '%s\n' "$line"
		fi
	done <kernel.config
}

# configure [<more lines>...]
configure() {
	padded_config >"$work/fragment"
	[ $# = 0 ] || printf '%s\n' "$@" >>"$work/fragment"
	kmake KCONFIG_ALLCONFIG="$work/fragment" allnoconfig
	echo "lines of kernel.config that Kconfig did not take:" >>"$log"
	if grep '^CONFIG_' "$work/fragment" | grep -vxFf "$tree/.config" >>"$log"; then
		return 1
	fi
}

# $1 as four bytes, most significant first, in printf's notation
be32() { printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255)); }

# A gzip file ends with the CRC-32 of its content, least significant byte first.
crc32() { printf '0x%s' "$(gzip -1c "$1" | tail -c 8 | od -An -tx4 -N4 --endian=little | tr -d ' ')"; }

# Legacy uImage header, 64 bytes (U-Boot include/image.h):
#   magic  header CRC  time  size  load  entry  data CRC | os  arch  type  compression | name (32)
uimage() {
	local payload=$1 load=$2 entry=$3 name=$4 hcrc=0 step
	for step in blank signed; do
		{
			printf "$(be32 0x27051956)$(be32 "$hcrc")$(be32 0)$(be32 "$(stat -c %s "$payload")")"
			printf "$(be32 "$load")$(be32 "$entry")$(be32 "$(crc32 "$payload")")"
			printf '\x05\x05\x02\x01' # Linux, MIPS, kernel, gzip
			printf '%s' "$name" | head -c 31
			head -c $((32 - ${#name})) /dev/zero
		} >"$work/header.$step"
		hcrc=$(crc32 "$work/header.$step")
	done
	cat "$work/header.signed" "$payload"
}

# The kernel that the tree holds now.
kernel() {
	local load entry
	load=0x$(mipsel-linux-gnu-nm "$tree/vmlinux" | awk '$3 == "_text" { print $1 }')
	entry=$(mipsel-linux-gnu-readelf -h "$tree/vmlinux" | awk '/Entry point/ { print $4 }')
	gzip -9nc "$tree/arch/mips/boot/vmlinux.bin" >"$work/vmlinux.bin.gz"
	uimage "$work/vmlinux.bin.gz" "$load" "$entry" "Linux-$(cat "$tree/include/config/kernel.release")"
}

collect() {
	kernel >"$out/uImage"
	cp "$tree/vmlinux" "$tree/usr/gen_init_cpio" "$out"
	cp "$tree/.config" "$out/config"
	find "$tree" -name '*.ko' -exec cp -t "$out/modules" {} +
}

# The same kernel with an initramfs of its own inside, as kernels for cameras have; only that is compiled, and all is
# linked again.
donor() {
	mipsel-linux-gnu-gcc -nostdlib -static -mno-abicalls -fno-pic -o "$work/init" donor/init.S
	sed "s|@init@|$work/init|; s|@text@|$PWD/donor/init.S|" donor/initramfs.list >"$work/initramfs.list"
	configure "CONFIG_INITRAMFS_SOURCE=\"$work/initramfs.list\"" CONFIG_INITRAMFS_COMPRESSION_LZMA=y
	kmake vmlinux.bin
	kernel >"$out/donor/uImage"
}

: >"$log"
say "unpacking the source"
unpack
say "configuring"
configure
say "compiling (about 3 minutes on 2 cores; log: $log)"
kmake vmlinux.bin modules
collect
say "linking it again with an initramfs inside"
donor
mv "$out" "$dir"
say "done"
echo "$dir"
