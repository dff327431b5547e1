#!/usr/bin/env bash
# Checks a release as those take it who download it: hashes, what is in the archives, the list of contents, and wz from
# its archive in an empty folder.
#
#   scripts/check-release.sh [folder]     without a folder: dist/release
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
release=$(cd "${1:-$root/dist/release}" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/wz-release.XXXXXX")
trap 'rm -rf "$work"' EXIT

# What every Windows has.
system_libraries='KERNEL32|ntdll|msvcrt|ADVAPI32|USER32|SHELL32|ole32|OLEAUT32|WS2_32|USERENV|bcrypt|bcryptprimitives|api-ms-win-[a-z0-9-]+'

main() {
    cd "$release"
    version=$(echo wz_flash-helper-*-linux-x86_64.tar.gz)
    version=${version#wz_flash-helper-}
    version=${version%-linux-x86_64.tar.gz}
    name=wz_flash-helper-$version

    check_hashes
    unpack
    check_folders
    check_camera_program
    check_windows_program
    check_no_places
    python3 -I "$root/scripts/check-sbom.py" sbom.cdx.json "$linux/wz" "$windows/wz.exe" "$work/init"
    for soc in t31 t20; do
        check_card "$soc"
    done
    echo "$name is in order"
}

check_hashes() {
    sha256sum --check --strict --quiet SHA256SUMS
    diff <(awk '{ print $2 }' SHA256SUMS | sort) <(find . -type f ! -name SHA256SUMS -printf '%P\n' | sort) ||
        die "SHA256SUMS names other files than there are"
}

unpack() {
    linux=$work/linux/$name
    windows=$work/windows/$name
    source=$work/source/$name
    mkdir "$work"/{linux,windows,source}
    tar -xzf "$name-linux-x86_64.tar.gz" -C "$work/linux"
    tar -xzf "$name-source.tar.gz" -C "$work/source"
    python3 -I -m zipfile --extract "$name-windows-x86_64.zip" "$work/windows"
}

check_folders() {
    local common="wz_flash-helper.cpio README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE docs/wz.md docs/codes.md
        licences/crates.txt licences/busybox.txt licences/musl.txt licences/zig.txt licences/rust-std.html"
    # shellcheck disable=SC2086 # lists of names
    {
        must_have "$linux" wz $common man/wz.1 man/wz-card-new.1 completions/wz.bash completions/wz.fish completions/_wz
        must_have "$windows" wz.exe $common wz.ps1 licences/mingw-w64.txt
        must_have "$source" Cargo.lock scripts/release.sh qemu/patches busybox/*.dsc busybox/*.orig.tar.*
    }
    cmp "$linux/wz_flash-helper.cpio" "$windows/wz_flash-helper.cpio"
    [ "$("$linux/wz" --version)" = "wz $version" ] || die "wz says that it is $("$linux/wz" --version), not $version"
    grep -q "^adler2 " "$linux/licences/crates.txt" || die "licences/crates.txt does not name the crates"
}

# must_have <folder> <name or pattern>...
must_have() {
    local folder=$1 wanted
    shift
    for wanted; do
        compgen -G "$folder/$wanted" >/dev/null || die "$folder has no $wanted"
    done
}

check_camera_program() {
    # Of several entries of a name the last one counts, as for the kernel.
    (cd "$work" && cpio --quiet --extract --unconditional --make-directories init bin/busybox <"$linux/wz_flash-helper.cpio")
    local program
    for program in init bin/busybox; do
        [ -f "$work/$program" ] && [ ! -L "$work/$program" ] || die "wz_flash-helper.cpio has no program $program"
    done
    grep -qaF "$version" "$work/init" || die "the program for the camera does not tell the version $version"
}

# It may need nothing but Windows.
check_windows_program() {
    local foreign
    grep -qaF "$version" "$windows/wz.exe" || die "wz.exe does not tell the version $version"
    foreign=$(objdump --private-headers "$windows/wz.exe" | awk '/DLL Name:/ { print $3 }' |
        grep -viE "^($system_libraries)\.dll$" || true)
    [ -z "$foreign" ] || die "wz.exe needs more than Windows has: $foreign"
}

# Nobody else has them, and they are the first thing that makes bytes differ.
check_no_places() {
    local program place
    for program in "$linux/wz" "$windows/wz.exe" "$work/init" "$work/bin/busybox"; do
        for place in "$root/" "${CARGO_HOME:-$HOME/.cargo}/" "${RUSTUP_HOME:-$HOME/.rustup}/" "$cache/"; do
            ! grep -qaF "$place" "$program" || die "$program has a place of this computer in it: $place"
        done
    done
}

# check_card <soc>: it has an SD kernel, out of which wz makes a card that it then calls ready
check_card() {
    local soc=$1 zip
    zip=$(echo "$name-$soc"*.zip)
    mkdir -p "$work/$soc/empty"
    python3 -I -m zipfile --extract "$zip" "$work/$soc/card"
    gzip --decompress --stdout "${zip%.zip}.img.gz" >"$work/$soc/card.img"
    "$linux/wz" card check "$work/$soc/card.img" --soc "$soc" >/dev/null
    (
        cd "$work/$soc/empty"
        "$linux/wz" card new card.img --soc "$soc" --kernel "$work/$soc/card/"factory_* --backup >/dev/null
        "$linux/wz" card check card.img --soc "$soc" >/dev/null
    )
    case $zip in
        *-emulator.zip) check_donor "$soc" ;;
    esac
}

# check_donor <soc>: a kernel without the program gets that from beside wz
check_donor() {
    local kernel
    kernel=$("$root/qemu/build-kernel.sh" | tail -n 1)/uImage
    (
        cd "$work/$1/empty"
        "$linux/wz" card new from-a-kernel.img --soc "$1" --kernel "$kernel" --backup >/dev/null
        "$linux/wz" card check from-a-kernel.img --soc "$1" >/dev/null
    )
}

main
