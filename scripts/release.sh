#!/usr/bin/env bash
# Makes a release: for owners, wz with the program for the camera; for each SoC, a card; the source; their hashes, and a
# list of what is in them. The same commit gives the same bytes, wherever and by whomever it is made.
#
#   scripts/release.sh [folder]     without a folder: dist/release
#
# KERNEL_T31 and KERNEL_T20 name kernels (uImages) that real cameras boot from a card. Without one, that SoC's card is for
# the emulated camera.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
out=${1:-$root/dist/release}
case $out in /*) ;; *) out=$PWD/$out ;; esac
# A release is whole or not there.
work=$out.partial
files=$work/files

# What is replaced is a release, and nothing else.
if [ -e "$out" ]; then
    foreign=$(find "$out" ! -path "$out" ! -name SHA256SUMS ! -name sbom.cdx.json ! -name 'wz_flash-helper-*' -print -quit)
    [ -d "$out" ] && [ -z "$foreign" ] || die "'$out' is there already, and is no release${foreign:+: it has $foreign}" \
        "Name another folder, or move it away."
fi
# image.sh takes them from this folder.
for kernel in KERNEL_T31 KERNEL_T20; do
    case ${!kernel:-/} in /*) ;; *) export "$kernel=$PWD/${!kernel}" ;; esac
done

umask 022
export LC_ALL=C TZ=UTC
export VOICES=${VOICES-en}

main() {
    [ "$(uname -m)" = x86_64 ] || die "a release is made on x86_64: the wz that goes into it makes the cards, too"
    "$root/scripts/setup.sh" host voices camera release
    WZ_VERSION=$("$root/scripts/version.sh")
    SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct)
    export WZ_VERSION SOURCE_DATE_EPOCH
    name=wz_flash-helper-$WZ_VERSION
    say "Making $name"
    rm -rf "$work"
    mkdir -p "$files"

    build_wz x86_64-unknown-linux-musl
    build_wz x86_64-pc-windows-gnu
    busybox=$("$root/qemu/get-busybox.sh" | tail -n 1)
    export WZ_PROGRAM
    WZ_PROGRAM=$(cargo_target_dir)/x86_64-unknown-linux-musl/release/wz
    is_for_emulator=
    make_card t31
    make_card t20
    cmp "$work"/cards/{t31,t20}/wz_flash-helper.cpio || die "the program for the camera depends on the camera's SoC"
    list_contents
    pack_for_linux
    pack_for_windows
    pack_source
    (cd "$files" && sha256sum -- sbom.cdx.json wz_flash-helper-* >SHA256SUMS)

    rm -rf "$out"
    mv "$files" "$out"
    rm -rf "$work"
    ls -l "$out"
}

build_wz() {
    "$root/scripts/cross-cargo.sh" "$1" zigbuild --locked --release --package wz-cli >&2
}

# make_card <soc>: as a zip file to unpack on a card, and as an image to write to one
make_card() {
    local soc=$1 kernel=KERNEL_${1^^} folder=$work/cards/$1 said card
    said=$("$root/scripts/image.sh" "$soc" "${!kernel:-}" "$folder")
    card=$files/$name-$soc
    case $said in
        *"the emulated camera only"*)
            card+=-emulator
            is_for_emulator=1
            ;;
    esac
    mv "$folder/wz_flash-helper_$soc.zip" "$card.zip"
    gzip -9n <"$folder/wz_flash-helper_$soc.img" >"$card.img.gz"
    rm "$folder/wz_flash-helper_$soc.img"
}

list_contents() {
    python3 -I "$root/scripts/sbom.py" --version "$WZ_VERSION" --zig "$(cross_tools_dir)/bin/zig" --busybox "${busybox%/*}" \
        ${VOICES:+--voices} ${is_for_emulator:+--emulator} >"$files/sbom.cdx.json"
}

# put_common_files <folder>: what owners of every computer get
put_common_files() {
    mkdir -p "$1/docs" "$1/licences"
    cp "$work/cards/t31/wz_flash-helper.cpio" "$root"/{README.md,CHANGELOG.md,LICENSE-APACHE,LICENSE-MIT} "$1"
    cp "$root"/docs/*.md "$1/docs"
    put_licences "$1/licences"
}

# put_licences <folder>: those of others, whose work is in the programs
put_licences() {
    local zig rust
    zig=$(dirname "$(readlink -f "$(cross_tools_dir)/bin/zig")")
    rust=$(cd "$root" && rustc --print sysroot)/share/doc/rust
    python3 -I "$root/scripts/notices.py" "$files/sbom.cdx.json" >"$1/crates.txt"
    tar --extract --to-stdout --file "${busybox%/*}"/source/busybox_*.orig.tar.* --wildcards 'busybox-*/LICENSE' >"$1/busybox.txt"
    cp "$zig/LICENSE" "$1/zig.txt"
    cp "$zig/lib/libc/musl/COPYRIGHT" "$1/musl.txt"
    cp "$zig/lib/libc/mingw/COPYING" "$1/mingw-w64.txt"
    cp "$rust/COPYRIGHT-library.html" "$1/rust-std.html"
}

pack_for_linux() {
    local folder=$work/linux/$name
    put_common_files "$folder"
    mkdir "$folder/completions"
    cp "$WZ_PROGRAM" "$folder/wz"
    "$WZ_PROGRAM" man "$folder/man" >&2
    "$WZ_PROGRAM" completions bash >"$folder/completions/wz.bash"
    "$WZ_PROGRAM" completions fish >"$folder/completions/wz.fish"
    "$WZ_PROGRAM" completions zsh >"$folder/completions/_wz"
    pack "$work/linux" "$name-linux-x86_64.tar.gz"
}

pack_for_windows() {
    local folder=$work/windows/$name
    put_common_files "$folder"
    cp "$(cargo_target_dir)/x86_64-pc-windows-gnu/release/wz.exe" "$folder"
    "$WZ_PROGRAM" completions powershell >"$folder/wz.ps1"
    python3 -I "$root/scripts/zip.py" "$files/$name-windows-x86_64.zip" "$folder"
}

# This repository, and the source of busybox, whose licence asks for it.
pack_source() {
    local folder=$work/source/$name
    mkdir -p "$folder/busybox"
    (cd "$root" && git ls-files -z | tar --create --null --files-from -) | tar --extract --directory "$folder"
    cp "${busybox%/*}"/source/* "$folder/busybox"
    pack "$work/source" "$name-source.tar.gz"
}

# pack <folder> <name of the archive>
pack() {
    tar --create --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
        --mtime="@$SOURCE_DATE_EPOCH" --directory "$1" "$name" | gzip -9n >"$files/$2"
}

main
